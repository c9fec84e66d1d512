"""The evaluator: evaluates beside a running loop, which goes on answering, and records what comes of it."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import cast

from loopledger.commands import Command, EndEvaluation, RequestEvaluation
from loopledger.diagnostics import diagnostics
from loopledger.errors import Conflict, LoopledgerError
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.widening import widened
from loopledger.facts import Answer
from loopledger.learning.training import Progress
from loopledger.log.evaluation_events import Ending, Report
from loopledger.loop import Prepared
from loopledger.state import State

_LEFT_BEHIND = "the process that computed it ended before it was done; ask for it again"


class Begun:
    """An evaluation whose request is recorded. One of the same id is another one."""

    def __init__(self, evaluation: str) -> None:
        self.evaluation = evaluation


class Evaluator:
    """Carries out the evaluations of one loop, outside its actor.

    An evaluation that nobody carries out any more, because its process was stopped or killed, is
    ended as failed when its loop is opened next. It changed nothing and gives the same whenever it
    is computed, so nothing is lost but time; to compute it again unasked could stop the next
    process too.

    Args:
        ask: Sends the loop a command and waits for the answer.
        state: Tells the loop's state.

    """

    def __init__(self, ask: Callable[[Command | Prepared], Answer], state: Callable[[], State]) -> None:
        self._ask = ask
        self._state = state
        self._guard = Lock()
        self._under_way = 0
        self._last: dict[str, Begun] = {}

    @property
    def busy(self) -> bool:
        """Whether an evaluation is carried out, which closing the loop would undo."""
        return self._under_way > 0

    def give_up(self) -> None:
        """End what a process before this one left behind; for whoever has just opened the loop."""
        for left_behind in self._state().evaluations:
            self._ask(EndEvaluation(left_behind, "Failed", reason=_LEFT_BEHIND))

    def evaluate(
        self,
        asked: RequestEvaluation,
        compute: Callable[[Progress], Report],
        progress: Progress | None = None,
        ending: Callable[[Report], Ending] = lambda _: "Succeeded",
    ) -> Report:
        """Record a request, compute, and record what came of it.

        Args:
            asked: The request.
            compute: Returns the report; it is given what to tell its progress to.
            progress: Is told how much is done, and of how much.
            ending: Returns how a report ends it.

        Raises:
            Conflict: There is one of that id, or it was deleted while it was computed.
            LoopledgerError: It failed, and is recorded as failed.

        """
        return cast("Report", self.carry_out(self.begin(asked), compute, progress, ending))

    def begin(self, asked: RequestEvaluation) -> Begun:
        """Record a request that is carried out later, and keep the loop open for it until then.

        Raises:
            Conflict: There is one of that id, or too many are under way.

        """
        begun = Begun(asked.evaluation)
        with self._guard:
            self._ask(asked)
            self._last[begun.evaluation] = begun
            self._under_way += 1
        return begun

    def carry_out(
        self,
        begun: Begun,
        compute: Callable[[Progress], Report | None],
        progress: Progress | None = None,
        ending: Callable[[Report], Ending] = lambda _: "Succeeded",
    ) -> Report | None:
        """Compute what was begun, and record what came of it.

        Args:
            begun: What `begin` returned; it is carried out once.
            compute: Returns the report, or none where there is nothing to report of; it is given what
                to tell its progress to.
            progress: Is told how much is done, and of how much.
            ending: Returns how a report ends it.

        Raises:
            Conflict: It was deleted meanwhile.
            LoopledgerError: It failed, and is recorded as failed.

        """
        turn = Lock()
        most = 0

        def tell(done: int, total: int) -> None:
            nonlocal most
            self._check(begun)
            with turn:  # policies are judged side by side, and what they tell need not come in order
                if progress and done > most:
                    most = done
                    progress(done, total)

        try:
            try:
                self._check(begun)
                report = compute(tell)
                report = None if report is None else widened(report)
            except Exception as error:
                said = str(error) if isinstance(error, LoopledgerError) else repr(error)
                self._end(begun, "Failed", said)
                raise
            except BaseException:
                self._end(begun, "Canceled", "it was interrupted before it was done")
                raise
            status: Ending = "Succeeded" if report is None else ending(report)
            with self._guard:
                self._check(begun)
                self._ask(EndEvaluation(begun.evaluation, status, report, policy=_found(report)))
            return report
        finally:
            with self._guard:
                self._under_way -= 1
                if self._last.get(begun.evaluation) is begun:
                    del self._last[begun.evaluation]

    def _check(self, begun: Begun) -> None:
        """Make sure that it is still wanted; one of the same id may have been asked for after it."""
        wanted = self._last.get(begun.evaluation) is begun
        if not wanted or begun.evaluation not in self._state().evaluations:
            raise Conflict("the evaluation was deleted while it was computed")

    def _end(self, begun: Begun, status: Ending, reason: str) -> None:
        """Record why there is no report; where that cannot be recorded any more, the next opening does."""
        diagnostics(loop=self._state().loop_id).warning(
            "evaluation ended", evaluation=begun.evaluation, status=status, reason=reason
        )
        with self._guard, suppress(LoopledgerError):
            self._check(begun)
            self._ask(EndEvaluation(begun.evaluation, status, reason=reason))


def _found(report: Report | None) -> str | None:
    """Return the best policy that was found, if one was searched for."""
    return report.searched.winner if isinstance(report, Evaluation) and report.searched else None
