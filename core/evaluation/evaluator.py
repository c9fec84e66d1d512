"""The evaluator: evaluates beside a running loop, which goes on answering, and records what comes of it."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock

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
        with self._guard:
            self._under_way += 1
        try:
            self._ask(asked)
            return self._carry_out(asked.evaluation, compute, progress, ending)
        finally:
            with self._guard:
                self._under_way -= 1

    def _carry_out(
        self,
        evaluation: str,
        compute: Callable[[Progress], Report],
        progress: Progress | None,
        ending: Callable[[Report], Ending],
    ) -> Report:
        turn = Lock()
        most = 0

        def tell(done: int, total: int) -> None:
            nonlocal most
            if evaluation not in self._state().evaluations:
                raise Conflict("the evaluation was deleted while it was computed")
            with turn:  # policies are judged side by side, and what they tell need not come in order
                if progress and done > most:
                    most = done
                    progress(done, total)

        try:
            report = widened(compute(tell))
        except Exception as error:
            said = str(error) if isinstance(error, LoopledgerError) else repr(error)
            self._end(evaluation, "Failed", said)
            raise
        except BaseException:
            self._end(evaluation, "Canceled", "it was interrupted before it was done")
            raise
        self._ask(EndEvaluation(evaluation, ending(report), report, policy=_found(report)))
        return report

    def _end(self, evaluation: str, status: Ending, reason: str) -> None:
        """Record why there is no report; where that cannot be recorded any more, the next opening does."""
        diagnostics(loop=self._state().loop_id).warning(
            "evaluation ended", evaluation=evaluation, status=status, reason=reason
        )
        with suppress(LoopledgerError):
            self._ask(EndEvaluation(evaluation, status, reason=reason))


def _found(report: Report) -> str | None:
    """Return the best policy that was found, if one was searched for."""
    return report.searched.winner if isinstance(report, Evaluation) and report.searched else None
