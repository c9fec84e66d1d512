"""Optimizing: from what somebody asks for to a report about the best learning policy that was found."""

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from loopledger.adapters.embedding.evaluating import (
    Asked,
    Policies,
    check_evaluation,
    evaluation_request,
)
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.place import Place
from loopledger.adapters.ready import ready_policies
from loopledger.adapters.scratch import Scratch, sweep
from loopledger.adapters.side_by_side import side_by_side
from loopledger.deciding.request import whole_number
from loopledger.errors import Conflict, InvalidRequest, LoopledgerError
from loopledger.evaluation.outcome import SearchProgress, SearchStanding
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import EvaluationRequest, Search
from loopledger.learning.checkpoints import Checkpoints
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy

if TYPE_CHECKING:
    from loopledger.evaluation.search import Proposer
    from loopledger.evaluation.space import Space

BUDGET = 300.0
"""Seconds that a search takes, if nobody says otherwise."""

_SEARCHED = 7 / 8
"""The share of the budget after which nothing more is tried: what was found has to be judged as well."""

_LEAST_HELD_OUT, _MOST_HELD_OUT = 0.05, 0.9
_FOLDER = "searches"
_MOST_KEPT = 24
_MOST_SEED = 2**31 - 1
_WIDTH = 8
"""Trials of a wave, where there are not more cores: the same everywhere, so that searches are."""

_under_way: set[Path] = set()
_guard = threading.Lock()


class AskedSearch(NamedTuple):
    """What somebody wants to be searched, as `Loop.optimize` takes it."""

    policies: Policies
    since: Bound
    until: Bound
    held_out: float
    seed: int
    trials: int | None
    budget: float | None
    reward_range: tuple[float, float] | None


def check_optimization() -> None:
    """Make sure that policies can be searched for here.

    Raises:
        LoopledgerError: They cannot.

    """
    check_evaluation()
    if find_spec("optuna") is None:
        raise LoopledgerError(
            "a search for better policies needs optuna: pip install 'loopledger[optimization]'"
        )


def optimization_request(
    reader: Reader, checkpoints: Checkpoints, learner: Learner, asked: AskedSearch
) -> EvaluationRequest:
    """Return what somebody asks for, checked; the arguments and errors are those of `evaluation_request`."""
    request = evaluation_request(
        reader,
        checkpoints,
        learner,
        Asked(asked.policies, (), asked.since, asked.until, warm=True, reward_range=asked.reward_range),
    )
    return replace(request, search=_search(asked))


def _search(asked: AskedSearch) -> Search:
    held_out = _number("held_out", asked.held_out, _LEAST_HELD_OUT, _MOST_HELD_OUT)
    seed = whole_number("seed", asked.seed)
    if not 0 <= seed <= _MOST_SEED:
        raise InvalidRequest("seed", f"must lie between 0 and {_MOST_SEED:,}")
    trials = None if asked.trials is None else whole_number("trials", asked.trials)
    if trials is not None and trials < 1:
        raise InvalidRequest("trials", "must be at least 1")
    budget = None if asked.budget is None else _number("budget", asked.budget, 1.0, 7 * 86_400.0)
    if trials is None and budget is None:
        raise InvalidRequest("budget", "must be given, or trials: a search has no end of its own")
    return Search(held_out=held_out, seed=seed, trials=trials, budget=budget)


def _number(field: str, given: object, least: float, most: float) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool) or not least <= given <= most:
        raise InvalidRequest(field, f"must be a number between {least:g} and {most:g}")
    return float(given)


def optimized(
    place: Place,
    learner: Learner,
    request: EvaluationRequest,
    *,
    remember: bool,
    progress: Progress | None = None,
    tell: SearchProgress | None = None,
) -> Evaluation:
    """Return what the best policy that was found would have earned.

    Args:
        place: Where the loop is kept.
        learner: Learns and answers as each policy would have.
        request: What is asked, a search among it.
        remember: Whether trials are kept in the loop's folder, so that the search can go on another time.
        progress: Is told how much of the last judgement is done, and of how much; what it raises, here or
            during the search, ends everything.
        tell: Is told how the search stands.

    """
    from loopledger.evaluation.optimize import Means, optimize  # noqa: PLC0415 - an extra

    begun = time.monotonic()
    budget = request.search.budget if request.search else None
    until = None if budget is None else begun + budget * _SEARCHED
    over = threading.Event()  # threads that are still at it when this is interrupted end soon

    def told(standing: SearchStanding) -> None:
        if progress:
            progress(0, 1)
        if tell:
            tell(standing)

    sweep()
    try:
        with (
            Scratch() as scratch,
            closing(place.store.reader()) as reader,
            _Journals(place.folder if remember else None) as journals,
        ):
            means = Means(
                proposer=partial(_proposer, request, journals),
                ready=list(ready_policies().values()),
                enough=lambda: over.is_set() or (until is not None and time.monotonic() >= until),
                run_trials=side_by_side,
                run=side_by_side,
                tell=told,
            )
            return optimize(
                reader,
                learner,
                request,
                means,
                scratch=scratch,
                models=place.checkpoints,
                progress=progress,
            )
    finally:
        over.set()


def _proposer(
    request: EvaluationRequest, journals: "_Journals", space: "Space", given: Sequence[LearningPolicy]
) -> "Proposer":
    from loopledger.adapters.optimization.proposer import OptunaProposer  # noqa: PLC0415 - an extra

    wanted = request.search or Search()
    arguments = [policy.arguments for policy in given]
    described = msgspec.json.encode(
        [
            request.first,
            request.last,
            wanted.held_out,
            wanted.seed,
            request.reward_range,
            arguments,
            repr(space),
        ]
    )
    journal = journals.take(hashlib.sha256(described).hexdigest()[:16])
    return OptunaProposer(
        space, given, seed=wanted.seed, width=max(_WIDTH, os.cpu_count() or 1), journal=journal
    )


class _Journals:
    """What searches remember: a file for each, in the loop's folder. They may be deleted at any time.

    Args:
        folder: The loop's; none to remember nothing.

    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder / _FOLDER
        self._taken: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _guard:
            _under_way.discard(self._taken or Path())

    def take(self, name: str) -> Path | None:
        """Return a search's file, for one who has it alone.

        Raises:
            Conflict: The same search is under way.

        """
        if self._folder is None:
            return None
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{name}.journal"
        with _guard:
            if path in _under_way:
                raise Conflict("the same search is under way already: wait for it, or take another seed")
            _under_way.add(path)
            self._taken = path
            others = sorted(self._folder.glob("*.journal"), key=lambda file: file.stat().st_mtime)
            for old in others[:-_MOST_KEPT]:
                if old not in _under_way:
                    old.unlink(missing_ok=True)
        return path
