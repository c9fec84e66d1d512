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
from loopledger.adapters.embedding.optimizing import (
    BUDGET,
    AskedSearch,
    check_optimization,
    optimization_request,
    optimized,
)
from loopledger.evaluation.outcome import SearchProgress
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

    def optimize(  # noqa: PLR0913 - one for each wish
        self,
        policies: Policies = (),
        *,
        budget: float | None = BUDGET,
        trials: int | None = None,
        since: Bound = None,
        until: Bound = None,
        held_out: float = 0.25,
        seed: int = 0,
        reward_range: tuple[float, float] | None = None,
        progress: SearchProgress | None = None,
    ) -> Evaluation:
        """Search for a learning policy that would have earned more; nothing is recorded or remembered.

        See `loopledger.Loop.optimize` for what it does.

        Args:
            policies: Learning policies that are tried as well, and judged whatever comes of that.
            budget: Seconds that it may take, about; none if trials says when to stop.
            trials: How many policies to try at most.
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            held_out: The share of the decisions, the last ones, that the search never sees.
            seed: What chance begins with.
            reward_range: The least and the most that a reward can be; intervals are computed for it.
            progress: Is told how the search stands.

        Raises:
            InvalidRequest: Names the argument that cannot be used, or says that there is too little.

        """
        request = self._to_search(
            AskedSearch(policies, since, until, held_out, seed, trials, budget, reward_range)
        )
        return optimized(self.place, self._learner, request, remember=False, tell=progress)

    def _to_search(self, asked: AskedSearch) -> EvaluationRequest:
        check_optimization()
        with self._reading() as reader:
            return optimization_request(reader, self.place.checkpoints, self._learner, asked)
