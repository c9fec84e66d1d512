"""Evaluating a loop's log without writing to it; the loop may be open elsewhere meanwhile."""

from collections.abc import Iterable

from loopledger.adapters.embedding.evaluating import (
    Asked,
    Policies,
    check_evaluation,
    evaluated,
    evaluation_request,
)
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.looking import Looking
from loopledger.evaluation.register import EvaluationRecord, evaluation, evaluations
from loopledger.evaluation.report import Evaluation
from loopledger.evaluation.request import EvaluationRequest
from loopledger.learning.training import Progress


class EvaluationView(Looking):
    """Evaluates, and shows the evaluations that are recorded."""

    def evaluate(
        self,
        policies: Policies = (),
        *,
        versions: Iterable[int] = (),
        since: Bound = None,
        until: Bound = None,
        warm: bool = False,
        reward_range: tuple[float, float] | None = None,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Estimate what learning policies would have earned on what this loop decided; nothing is recorded.

        Online, Baseline and Random are always among them. See docs/evaluation.md for what the figures
        mean and when not to trust them.

        Args:
            policies: Learning policies, each called by its own name, or by the names of a mapping.
            versions: Model versions that are judged as they are, without learning on.
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            warm: Whether candidates first learn what came before `since`, as the loop itself had.
            reward_range: The least and the most that a reward can be; intervals are computed for it. By
                default 0 to 1, made wider if other rewards came.
            progress: Is told how much is done, and of how much; perhaps in other threads.

        Raises:
            InvalidRequest: Names the argument that cannot be used, or says that there is nothing to judge.
            NotFound: There is no such model version.

        """
        asked = Asked(policies, versions, since, until, warm, reward_range)
        return evaluated(self.place, self._learner, self._requested(asked), progress)

    def evaluations(self) -> list[EvaluationRecord]:
        """Return the evaluations that the log tells of, without their reports, in order."""
        with self._reading() as reader:
            return evaluations(reader)

    def evaluation(self, evaluation_id: str) -> EvaluationRecord:
        """Return an evaluation with its report.

        Raises:
            NotFound: There is none with this id, or it was deleted.

        """
        with self._reading() as reader:
            return evaluation(reader, evaluation_id)

    def _requested(self, asked: Asked) -> EvaluationRequest:
        check_evaluation()
        with self._reading() as reader:
            return evaluation_request(reader, self.place.checkpoints, self._learner, asked)
