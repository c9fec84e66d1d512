"""Evaluations that are recorded now and carried out later, for whoever lets many of them wait."""

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import NamedTuple

from msgspec.structs import replace

from loopledger.adapters.embedding.computing import Task, computed, without_search
from loopledger.adapters.embedding.evaluating import NOTHING, check_evaluation
from loopledger.adapters.embedding.exporting import between
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.moments import instant
from loopledger.adapters.embedding.optimizing import (
    BUDGET,
    AskedSearch,
    check_optimization,
    optimization_request,
)
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.optimization.apart import computed_apart
from loopledger.commands import RequestEvaluation
from loopledger.errors import InvalidRequest
from loopledger.evaluation.evaluator import Begun
from loopledger.evaluation.request import Candidate, EvaluationRequest, FeatureImportanceRequest, Search
from loopledger.learning.training import Progress
from loopledger.log.evaluation_events import Report
from loopledger.log.journal import Reader
from loopledger.policy import LearningPolicy


class Beginning(NamedTuple):
    """An evaluation that is recorded and not carried out yet.

    Attributes:
        session: The loop.
        begun: What is recorded.
        compute: Returns its report; none where there is nothing to report of.

    """

    session: Session
    begun: Begun
    compute: Callable[[Progress], Report | None]

    def carry_out(self, progress: Progress) -> None:
        """Compute it, and record what came of it. What `progress` raises ends it, also before it begins."""

        def compute(tell: Progress) -> Report | None:
            def told(done: int, total: int) -> None:
                progress(done, total)
                tell(done, total)

            told(0, 1)
            return self.compute(told)

        self.session.evaluator.carry_out(self.begun, compute)


class Wanted(NamedTuple):
    """What somebody wants to be evaluated.

    Attributes:
        name: What to call it.
        policies: Learning policies by their names.
        since: The range begins at this time,
        until: and ends at this one.
        optimizes: Whether a better policy is to be searched for.
        importance: Whether to look at which features matter too.

    """

    name: str
    policies: Mapping[str, LearningPolicy]
    since: str
    until: str
    optimizes: bool = False
    importance: bool = False


def begin_evaluation(loop: Loop, evaluation_id: str, wanted: Wanted) -> Beginning:
    """Record an evaluation. Where there is nothing to judge, it will end without results.

    Raises:
        InvalidRequest: Names what cannot be used.
        Conflict: There is one of that id, or too many are under way.
        LoopledgerError: Evaluations cannot be computed here.

    """
    (check_optimization if wanted.optimizes else check_evaluation)()
    with closing(loop.place.store.reader()) as reader:
        request, nothing = _request(loop, reader, wanted)
    request = replace(request, since=instant(wanted.since), until=instant(wanted.until))
    session = loop.directory.get(loop.name)
    begun = session.evaluator.begin(
        RequestEvaluation(evaluation_id, wanted.name, request, optimizes=wanted.optimizes)
    )

    if nothing:
        return Beginning(session, begun, lambda _: None)
    now = int(loop.directory.clock.now())
    return _beginning(loop, session, begun, Task(loop.name, now, request, wanted.importance))


def begin_importance(loop: Loop, evaluation_id: str, wanted: Wanted) -> Beginning:
    """Record a look at which features matter. Where there is nothing to look at, it will end without results.

    Raises:
        InvalidRequest: Names what cannot be used.
        Conflict: There is one of that id, or too many are under way.
        LoopledgerError: It cannot be computed here.

    """
    check_evaluation()
    session = loop.directory.get(loop.name)
    with closing(loop.place.store.reader()) as reader:
        within = between(reader, session.state, wanted.since, wanted.until)
    request = FeatureImportanceRequest(
        first=within.first,
        last=within.last,
        since=instant(wanted.since),
        until=instant(wanted.until),
    )
    begun = session.evaluator.begin(RequestEvaluation(evaluation_id, wanted.name, request))
    return _beginning(loop, session, begun, Task(loop.name, int(loop.directory.clock.now()), request))


def _beginning(loop: Loop, session: Session, begun: Begun, task: Task) -> Beginning:
    place, learner = loop.place, loop.directory.learner

    def compute(tell: Progress) -> Report | None:
        if place.folder is None:  # another process could not read it
            return computed(place, learner, task, tell)
        return computed_apart(place.folder, task, lambda: tell(0, 1))

    return Beginning(session, begun, compute)


def _request(loop: Loop, reader: Reader, wanted: Wanted) -> tuple[EvaluationRequest, bool]:
    """Return what is asked, and whether there is nothing to judge."""
    asked = AskedSearch(
        policies=wanted.policies,
        since=wanted.since,
        until=wanted.until,
        held_out=Search().held_out,
        seed=0,
        trials=None,
        budget=BUDGET,
        reward_range=None,
    )
    try:
        request = optimization_request(reader, loop.place.checkpoints, loop.directory.learner, asked)
    except InvalidRequest as error:
        if error.field not in {"since", NOTHING}:  # that is: no decision there, or none that was not erased
            raise
    else:
        return request if wanted.optimizes else without_search(request), False
    within = between(reader, loop.directory.get(loop.name).state, wanted.since, wanted.until)
    candidates = tuple(Candidate(name=name, policy=policy) for name, policy in wanted.policies.items())
    return EvaluationRequest(first=within.first, last=within.last, candidates=candidates), True
