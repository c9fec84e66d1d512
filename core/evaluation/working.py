"""Working through material with a learner: in chunks, and again where a worker was killed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from loopledger.errors import LearnerFailed
from loopledger.evaluation.material import Material, Table
from loopledger.evaluation.schedule import Stretch
from loopledger.learning.learner import Learner, Taught
from loopledger.policy import LearningPolicy

_CHUNK = 4_000

T = TypeVar("T")


def chunks(material: Material, stretch: Stretch) -> Iterator[tuple[int, Table]]:
    """Yield the decisions that are answered in a stretch, a few thousand at a time, with their place."""
    for first in range(stretch.first, stretch.last, _CHUNK):
        yield first, material.decided(first, min(first + _CHUNK, stretch.last))


def models(
    learner: Learner,
    policy: LearningPolicy,
    material: Material,
    plan: Iterable[Stretch],
    what: Taught = "policy",
) -> Iterator[tuple[Stretch, bytes | None]]:
    """Yield each stretch with the model that answers in it, none before the first.

    The next model is learned while a stretch is answered: it does not depend on the answers.
    """
    return _ahead(_learned(learner, policy, material, plan, what))


def _learned(
    learner: Learner, policy: LearningPolicy, material: Material, plan: Iterable[Stretch], what: Taught
) -> Iterator[tuple[Stretch, bytes | None]]:
    model: bytes | None = None
    known = 0
    for stretch in plan:
        for learned in stretch.learned:
            model = _folded(learner, policy, model, material, (known, learned), what)
            known = learned
        yield stretch, model


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items, one of which is always made ahead in another thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="loopledger-learning") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _folded(
    learner: Learner,
    policy: LearningPolicy,
    model: bytes | None,
    material: Material,
    batch: tuple[int, int],
    what: Taught,
) -> bytes:
    """Return the model that another becomes by learning from one place to before another."""
    if what == "policy":
        return twice(lambda: learner.fold(policy, model, material.lines(*batch)).model)
    return twice(lambda: learner.fold(policy, model, material.lines(*batch, what), what).model)


def twice(work: Callable[[], T]) -> T:
    """Return what comes of some work, tried again if it failed: a worker may have been killed."""
    try:
        return work()
    except LearnerFailed:
        return work()
