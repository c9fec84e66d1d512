"""Working through material with a learner: in chunks, and again where a worker was killed."""

from collections.abc import Callable, Iterator
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


def folded(
    learner: Learner,
    policy: LearningPolicy,
    model: bytes | None,
    material: Material,
    batch: tuple[int, int],
    what: Taught = "policy",
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
