"""Optimizing an open loop: the search and what it found become part of its log."""

from typing import cast

from loopledger.adapters.embedding.evaluating import Policies
from loopledger.adapters.embedding.evaluating_loop import EvaluatingLoop
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.optimizing import BUDGET, AskedSearch, optimized
from loopledger.commands import RequestEvaluation
from loopledger.evaluation.outcome import SearchProgress
from loopledger.evaluation.report import Evaluation


class OptimizingLoop(EvaluatingLoop):
    """Searches for better learning policies, and records what it finds."""

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
        name: str = "optimization",
        evaluation_id: str | None = None,
        progress: SearchProgress | None = None,
    ) -> Evaluation:
        """Search for a learning policy that would have earned more, and record what it would have earned.

        The search sees the first part of the range only. What it finds is called ``optimized``, and is
        judged on the rest; `apply_evaluation` puts it in force. The loop goes on answering meanwhile. A
        search with the same range and seed goes on where an earlier one stopped. See docs/optimization.md.

        Args:
            policies: Learning policies that are tried as well, and judged whatever comes of that.
            budget: Seconds that it may take, about; none if trials says when to stop.
            trials: How many policies to try at most, earlier ones included.
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            held_out: The share of the decisions, the last ones, that the search never sees.
            seed: What chance begins with.
            reward_range: The least and the most that a reward can be; intervals are computed for it. By
                default 0 to 1, made wider if other rewards came.
            name: What to call it.
            evaluation_id: The evaluation's id; by default a new one.
            progress: Is told how the search stands.

        Raises:
            InvalidRequest: Names the argument that cannot be used, or says that there is too little.
            Conflict: There is an evaluation with this id, or the same search is under way.

        """
        request = self._to_search(
            AskedSearch(policies, since, until, held_out, seed, trials, budget, reward_range)
        )
        session = self._session()
        ident, _ = session.ids.named(evaluation_id, session.limits)
        asked = RequestEvaluation(ident, name, request, optimizes=True)
        report = self._using(
            lambda session: session.evaluator.evaluate(
                asked,
                lambda tell: optimized(
                    self.place, self._learner, request, remember=True, progress=tell, tell=progress
                ),
            )
        )
        return cast("Evaluation", report)
