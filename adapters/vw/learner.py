"""VowpalWabbit as the loop's learning engine."""

import os
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import pylibvw

from loopledger.adapters.vw.arguments import engine
from loopledger.adapters.vw.explainer import explain
from loopledger.adapters.vw.saved import check_fits, policy_of
from loopledger.adapters.vw.scorer import VwScorer
from loopledger.adapters.vw.wire import Fold, Probe, Saved, Score
from loopledger.adapters.vw.workers import Workers
from loopledger.deciding.context import build_context, with_tags
from loopledger.deciding.request import Slot, read_slots
from loopledger.learning.learner import Folded, ManyScores, Taught, Weight
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits


class VwLearner:
    """Learns in worker processes and answers in this one; see `loopledger.learning.learner.Learner`.

    Args:
        workers: How many worker processes may be at work at a time; by default as many as cores.
        patience: Seconds without any progress after which a worker counts as hung.

    """

    def __init__(self, workers: int | None = None, patience: float = 60.0) -> None:
        self._workers = Workers(workers or os.cpu_count() or 1, patience)
        self._engine = engine()
        # VowpalWabbit hashes names with the function that seeds draws; its own takes a twentieth
        # of the time that Python needs.
        self._hasher: Any = pylibvw.vw(["--hash", "all", "--bit_precision", "8", "--quiet", "--no_stdin"])

    @property
    def engine(self) -> str:
        """VowpalWabbit's version and the kind of machine."""
        return self._engine

    def hash_id(self, text: str, /) -> int:
        """Return the hash of an id that seeds its draw."""
        hashed: int = self._hasher.hash_space(text)
        return hashed

    def fold(
        self,
        policy: LearningPolicy,
        parent: bytes | None,
        examples: Iterable[bytes],
        what: Taught = "policy",
    ) -> Folded:
        """Return the model that the parent becomes by learning the examples in their order."""
        answer = self._workers.ask(Fold(policy, parent, what), examples)
        return Folded(answer.model, answer.examples)

    def answers(
        self, policy: LearningPolicy, model: bytes, contexts: Iterable[bytes], what: Taught = "policy"
    ) -> ManyScores:
        """Return what a model answers to many contexts: exactly what a scorer would, one by one."""
        answer = self._workers.ask(Score(policy, model, what), contexts)
        counts, probabilities, positions = array("i"), array("f"), array("i")
        counts.frombytes(answer.counts)
        probabilities.frombytes(answer.probabilities)
        positions.frombytes(answer.positions)
        return ManyScores(answer.examples, counts, probabilities, positions)

    def scorer(self, policy: LearningPolicy, model: bytes) -> VwScorer:
        """Return a scorer for a model made under a policy."""
        return VwScorer(policy, model)

    def explain(
        self, policy: LearningPolicy, model: bytes | None, contexts: Sequence[bytes]
    ) -> list[list[list[Weight]]]:
        """Return the features of each action of some contexts, with what a model has learned for them."""
        return explain(policy, model, contexts)

    def probe(self, policy: LearningPolicy, model: bytes | None = None) -> None:
        """Try a policy, and a model from outside, in a worker process."""
        limits, ids, features = Limits(), ["a", "b"], [{"x": 1}, {"x": 2}]
        slots = read_slots([Slot("s"), Slot("t")], ids, limits) if policy.multi_slot else None
        context = build_context({"x": 1}, ids, features, limits, slots)
        if slots:
            context = with_tags(context, ["s", "t"])
        if model is not None:
            of_model = self._workers.ask(Saved(None, model)).arguments
            check_fits(policy, self._workers.ask(Saved(policy, None)).arguments, of_model)
        self._workers.ask(Probe(policy, model, context, expected=2))

    def policy_of(self, model: bytes) -> LearningPolicy:
        """Return the policy that a model from outside was made under.

        Raises:
            LearnerFailed: It is no model.
            InvalidRequest: Its policy is none that is allowed here.

        """
        return policy_of(self._workers.ask(Saved(None, model)).arguments)

    def close(self) -> None:
        """End the worker processes."""
        self._workers.close()
