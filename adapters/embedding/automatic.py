"""Automatic optimization of an open loop, on its own schedule."""

import threading
from collections.abc import Callable
from contextlib import closing, suppress

from loopledger.adapters.embedding.building import EventIds
from loopledger.adapters.embedding.chores import Chores
from loopledger.adapters.embedding.moments import microseconds
from loopledger.adapters.embedding.optimizing import check_optimization, optimized
from loopledger.adapters.place import Place
from loopledger.clock import SECOND, Clock, SimulatedClock
from loopledger.commands import Command, DeleteEvaluation, Relearn, RequestEvaluation
from loopledger.diagnostics import diagnostics
from loopledger.errors import InvalidRequest, LoopledgerError, LoopStopped
from loopledger.evaluation.applying import policy_to_apply
from loopledger.evaluation.automatic import KEPT, automatic_request, is_to_apply, next_optimization
from loopledger.evaluation.evaluator import Evaluator
from loopledger.evaluation.register import evaluation, evaluations
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import EvaluationRequest
from loopledger.facts import Answer
from loopledger.learning.learner import Learner
from loopledger.learning.training import Progress
from loopledger.log.evaluation_events import Ending, Report
from loopledger.loop import Prepared
from loopledger.state import State

_NAME = "automatic optimization"
_PAUSE = 600.0
"""Seconds after which it is tried again where it could not even begin."""


class AutomaticOptimization:
    """Searches for a better policy when it is time, and puts it in force if it is judged better.

    Args:
        place: Where the loop is kept.
        learner: The learning engine.
        clock: Tells the time, and when it is time.
        chores: Does it, apart from what else is done in the background.
        evaluator: Records it.
        ask: Sends the loop a command and waits for the answer.
        state: Tells the loop's state.
        train: Learns what can be learned.

    """

    def __init__(
        self,
        place: Place,
        learner: Learner,
        clock: Clock,
        chores: Chores,
        evaluator: Evaluator,
        ask: Callable[[Command | Prepared], Answer],
        state: Callable[[], State],
        train: Callable[[], object],
    ) -> None:
        self._place = place
        self._learner = learner
        self._clock = clock
        self._chores = chores
        self._evaluator = evaluator
        self._ask = ask
        self._state = state
        self._train = train
        self._ids = EventIds(clock)
        self._guard = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self._closed = False

    def schedule(self, at_least: float = 0.0) -> None:
        """Set the time of the next one anew, so many seconds from now at least."""
        with self._guard:
            if self._cancel is not None:
                self._cancel()
                self._cancel = None
            state = self._state()
            if self._closed or not state.settings.auto_optimization:
                return
            due = next_optimization(state.settings, self._start(), state.optimizing_since)
            wait = max(at_least, (due - self._clock.now()) / SECOND)
            self._cancel = self._clock.call_later(wait, self._due)

    def close(self) -> None:
        """End the one that is under way, and begin no other."""
        with self._guard:
            self._closed = True
            if self._cancel is not None:
                self._cancel()
                self._cancel = None

    def _start(self) -> int | None:
        state = self._state()
        given = state.settings.auto_optimization_start
        if given is None:
            return None
        try:
            return microseconds(given)
        except InvalidRequest:  # such as the 31st of February
            diagnostics(loop=state.loop_id).warning("auto_optimization_start is no date and is passed over")
            return None

    def _due(self) -> None:
        if isinstance(self._clock, SimulatedClock):
            # In a simulation time stands still until it is over.
            self._optimize_and_again()
        else:
            self._chores.submit(self._optimize_and_again)

    def _optimize_and_again(self) -> None:
        pause = 0.0
        try:
            if self._closed:
                return
            if self._state().policy.multi_slot:
                pause = _PAUSE  # the policy may be changed again
            else:
                self._optimize()
        except LoopStopped:
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, the next one may do better
            pause = _PAUSE
            said = str(error) if isinstance(error, LoopledgerError) else repr(error)
            diagnostics(loop=self._state().loop_id).warning("automatic optimization failed", error=said)
        with suppress(LoopStopped):
            self.schedule(pause)

    def _optimize(self) -> None:
        ident, _ = self._ids.named(None, self._state().settings.limits)
        with closing(self._place.store.reader()) as reader:
            request = automatic_request(reader, int(self._clock.now()))
        asked = RequestEvaluation(ident, _NAME, request, automatic=True, optimizes=True)
        report = self._evaluator.evaluate(asked, lambda tell: self._search(request, tell), ending=_ending)
        if isinstance(report, Evaluation):
            self._announce(ident, report)
            if is_to_apply(report):
                self._apply(ident, report)
        self._forget_old()

    def _search(self, request: EvaluationRequest, tell: Progress) -> Evaluation:
        def keep_on() -> None:
            if self._closed:
                raise LoopStopped("the loop is closed")
            tell(0, 1)

        check_optimization()
        if self._place.folder is None:
            return optimized(
                self._place, self._learner, request, remember=False, progress=lambda *_: keep_on()
            )
        from loopledger.adapters.optimization.apart import optimized_apart  # noqa: PLC0415 - an extra

        return optimized_apart(self._place.folder, request, keep_on)

    def _apply(self, ident: str, report: Evaluation) -> None:
        with closing(self._place.store.reader()) as reader:
            found = report.searched.winner if report.searched else None
            policy = policy_to_apply(evaluation(reader, ident), str(found))
        self._ask(Relearn(policy, evaluation=ident))
        self._train()

    def _announce(self, ident: str, report: Evaluation) -> None:
        rewards = {judged.name: judged.overall.average_reward for judged in report.policies}
        found = report.searched.winner if report.searched else None
        diagnostics(loop=self._state().loop_id).info(
            "automatic optimization ended",
            evaluation=ident,
            status=_ending(report),
            online=rewards["Online"],
            found=rewards.get(found or ""),
        )

    def _forget_old(self) -> None:
        with closing(self._place.store.reader()) as reader:
            automatic = [one.id for one in evaluations(reader) if one.automatic]
        for old in automatic[:-KEPT]:
            self._ask(DeleteEvaluation(old))


def _ending(report: Report) -> Ending:
    applied = isinstance(report, Evaluation) and is_to_apply(report)
    return "OptimalPolicyApplied" if applied else "OnlinePolicyRetained"
