"""Evaluating an open loop: requests and results become part of its log."""

from collections.abc import Iterable
from typing import cast

from loopledger.adapters.embedding.evaluating import Asked, Policies, evaluated, name_of
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.open_loop import OpenLoop
from loopledger.answers import Receipt
from loopledger.commands import DeleteEvaluation, Relearn, RequestEvaluation
from loopledger.evaluation.applying import policy_to_apply
from loopledger.evaluation.report import Evaluation
from loopledger.learning.training import Progress


class EvaluatingLoop(OpenLoop):
    """Evaluates a loop, records it, and puts in force what turned out well."""

    def evaluate(  # noqa: PLR0913 - one for each wish
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
        """Estimate what learning policies would have earned on what this loop decided, and record it.

        Online, Baseline and Random are always among them. The loop goes on answering meanwhile. See
        docs/evaluation.md for what the figures mean and when not to trust them.

        Args:
            policies: Learning policies, each called by its own name, or by the names of a mapping.
            versions: Model versions that are judged as they are, without learning on.
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            name: What to call the evaluation; by default after what is judged.
            evaluation_id: Its id; by default a new one.
            warm: Whether candidates first learn what came before `since`, as the loop itself had.
            reward_range: The least and the most that a reward can be; intervals are computed for it. By
                default 0 to 1, made wider if other rewards came.
            progress: Is told how much is done, and of how much; perhaps in other threads.

        Raises:
            InvalidRequest: Names the argument that cannot be used, or says that there is nothing to judge.
            NotFound: There is no such model version.
            Conflict: There is an evaluation with this id, or it was deleted while it was computed.

        """
        request = self._requested(Asked(policies, versions, since, until, warm, reward_range))
        session = self._session()
        ident = session.ids.named(None, session.limits)[0] if evaluation_id is None else evaluation_id
        asked = RequestEvaluation(
            ident, name_of(request, session.limits.id_length) if name is None else name, request
        )
        report = self._using(
            lambda session: session.evaluator.evaluate(
                asked, lambda tell: evaluated(self.place, self._learner, request, tell), progress
            )
        )
        return cast("Evaluation", report)

    def delete_evaluation(self, evaluation_id: str) -> Receipt:
        """Do not show an evaluation any more; one that still runs is dropped. Its events stay in the log.

        Raises:
            NotFound: There is none with this id.

        """
        return cast("Receipt", self._ask(DeleteEvaluation(evaluation_id)))

    def apply_evaluation(
        self, evaluation_id: str, policy_name: str, progress: Progress | None = None
    ) -> Receipt | None:
        """Put a policy of an evaluation in force, with a model that has learned the past under it.

        The past is learned beside the model that answers, and published in one step; the log says which
        evaluation was the reason. `restore_policy` takes it back.

        Args:
            evaluation_id: The evaluation.
            policy_name: The policy as it is called there. ``Online`` leaves everything as it is.
            progress: Is told of decisions learned in a step, and of how many it has.

        Returns:
            Where it is in the log; none if that policy is in force already.

        Raises:
            NotFound: There is no such evaluation, or no such policy in it.
            Conflict: It has no result, or what is called so is no learning policy that can be used.
            LearnerFailed: The engine refused, died or hung; the model that answers goes on.

        """
        policy = policy_to_apply(self.evaluation(evaluation_id), policy_name)
        if policy is None or policy == self.policy:
            return None
        receipt = self._ask(Relearn(self._tried(policy), evaluation=evaluation_id))
        self._using(lambda session: session.train(progress))
        return cast("Receipt", receipt)
