"""Evaluating a loop in the async face of the Python API."""

from collections.abc import Iterable

from loopledger.adapters.embedding.evaluating import Policies
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.optimizing import BUDGET
from loopledger.adapters.embedding.threads import Threads
from loopledger.answers import Receipt
from loopledger.evaluation.outcome import SearchProgress
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import Evaluation
from loopledger.learning.training import Progress


class AsyncEvaluatingLoop:
    """Evaluates a loop; the methods are those of `Loop`."""

    def __init__(self, threads: Threads, loop: Loop) -> None:
        self.name = loop.name
        self._threads = threads
        self._blocking = loop

    async def evaluate(  # noqa: PLR0913 - one for each wish
        self,
        policies: Policies = (),
        *,
        versions: Iterable[int] = (),
        since: Bound = None,
        until: Bound = None,
        name: str | None = None,
        evaluation_id: str | None = None,
        warm: bool = False,
        reward_range: tuple[float, float] | None = None,
        progress: Progress | None = None,
    ) -> Evaluation:
        """Estimate what policies would have earned, as `Loop.evaluate` does; progress is told elsewhere."""
        return await self._threads.run_long(
            self._blocking.evaluate,
            policies,
            versions=versions,
            since=since,
            until=until,
            name=name,
            evaluation_id=evaluation_id,
            warm=warm,
            reward_range=reward_range,
            progress=progress,
        )

    async def optimize(  # noqa: PLR0913 - one for each wish
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
        """Search for a better learning policy, as `Loop.optimize` does; progress is told in other threads."""
        return await self._threads.run_long(
            self._blocking.optimize,
            policies,
            budget=budget,
            trials=trials,
            since=since,
            until=until,
            held_out=held_out,
            seed=seed,
            reward_range=reward_range,
            name=name,
            evaluation_id=evaluation_id,
            progress=progress,
        )

    async def evaluations(self) -> list[EvaluationRecord]:
        """Return the evaluations that the log tells of, as `Loop.evaluations` does."""
        return await self._threads.run(self._blocking.evaluations)

    async def evaluation(self, evaluation_id: str) -> EvaluationRecord:
        """Return an evaluation with its report, as `Loop.evaluation` does."""
        return await self._threads.run(self._blocking.evaluation, evaluation_id)

    async def delete_evaluation(self, evaluation_id: str) -> Receipt:
        """Do not show an evaluation any more, as `Loop.delete_evaluation` does."""
        return await self._threads.run(self._blocking.delete_evaluation, evaluation_id)

    async def apply_evaluation(
        self, evaluation_id: str, policy_name: str, progress: Progress | None = None
    ) -> Receipt | None:
        """Put a policy of an evaluation in force, as `Loop.apply_evaluation` does."""
        return await self._threads.run_long(
            self._blocking.apply_evaluation, evaluation_id, policy_name, progress
        )
