"""What the loop needs of a learning engine; `adapters/vw` fulfils it with VowpalWabbit."""

from array import array
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, Protocol

from loopledger.errors import LearnerFailed
from loopledger.policy import LearningPolicy

SlotScores = list[list[tuple[int, float]]]
"""For each slot the offered positions with their probabilities, the engine's own draw first."""

Taught = Literal["policy", "rewards"]
"""What a model learns: to decide, or what reward each action will get."""


class Folded(NamedTuple):
    """What a fold step made: the new model's bytes and how many examples it learned from."""

    model: bytes
    examples: int


class ManyScores(NamedTuple):
    """What a model answers to many contexts, packed: one entry after another.

    Attributes:
        contexts: How many there were.
        counts: For each of them, or each of its slots, how many actions there are an answer for.
        probabilities: As many 32-bit floats for each: by position or, for slots, the largest first.
        positions: For slots, whose actions those are; empty where there are no slots.

    """

    contexts: int
    counts: "array[int]"
    probabilities: "array[float]"
    positions: "array[int]"


class Weight(NamedTuple):
    """What one feature, or an interaction of features, added to an action's score.

    Attributes:
        feature: Its name, ``namespace.name``; the parts of an interaction are joined by ``^``.
            ``_slot=0`` is the slot's place, which multi-slot policies learn for as well.
        value: What the caller sent, or the product of that.
        weight: What the model has learned for it.

    """

    feature: str
    value: float
    weight: float

    @property
    def contribution(self) -> float:
        """What it added to the score: an estimated cost, so less is better."""
        return self.value * self.weight


class Scorer(Protocol):
    """A model that answers; a pure function of its bytes and the context."""

    def score(self, context: bytes, actions: Sequence[bytes] = ()) -> list[float]:
        """Return a probability for each of the context's actions, by position.

        Args:
            context: As the model sees it.
            actions: Its actions once more, apart, where the caller has them: the answer is the same,
                and an engine may find it sooner.

        """
        ...

    def score_slots(self, context: bytes) -> SlotScores:
        """Return the probabilities for each of the context's slots."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


@contextmanager
def opened(scorer: Scorer | None) -> Generator[None]:
    """Close a scorer, if there is one, when it was asked."""
    try:
        yield
    finally:
        if scorer is not None:
            scorer.close()


class NoScorer:
    """Stands where a model should be that cannot be made here.

    Args:
        version: The model's.
        reason: Why it cannot.

    """

    def __init__(self, version: int, reason: str) -> None:
        self._error = (
            f"the published model, version {version}, cannot be made here ({reason}); "
            "publish another version, relearn under a policy, or reset the model"
        )

    def score(self, context: bytes, actions: Sequence[bytes] = ()) -> list[float]:  # noqa: ARG002 - a scorer's
        """Say why there is no answer."""
        raise LearnerFailed(self._error)

    def score_slots(self, context: bytes) -> SlotScores:  # noqa: ARG002 - a scorer's
        """Say why there is no answer."""
        raise LearnerFailed(self._error)

    def close(self) -> None:
        """Nothing has to be freed."""


class Learner(Protocol):
    """Makes models out of joined examples, and scorers out of models."""

    @property
    def engine(self) -> str:
        """What makes the models: the engine, its version and the kind of machine."""
        ...

    def hash_id(self, text: str, /) -> int:
        """Return `loopledger.deciding.draw.uniform_hash` of an id; an engine may have it in faster code."""
        ...

    def fold(
        self,
        policy: LearningPolicy,
        parent: bytes | None,
        examples: Iterable[bytes],
        what: Taught = "policy",
    ) -> Folded:
        """Return the model that the parent becomes by learning the examples in their order.

        Args:
            policy: Under which to learn.
            parent: The model to start from; none for a blank one.
            examples: Joined examples, a line of JSON each, with its line end.
            what: Is learned. A model of rewards sees the features and their interactions as the
                policy does; there is none for several slots.

        Raises:
            LearnerFailed: The engine refused, died, hung, or learned from fewer examples than it got.

        """
        ...

    def answers(
        self, policy: LearningPolicy, model: bytes, contexts: Iterable[bytes], what: Taught = "policy"
    ) -> ManyScores:
        """Return what a model answers to many contexts: exactly what a scorer would, one by one.

        Args:
            policy: Under which the model was made.
            model: Its bytes.
            contexts: A line each, with its line end. Of a policy for several slots each begins with
                the positions that the slots got, ``3,0 {...}``: every slot is answered for as if those
                before it had got these.
            what: The model has learned. One of rewards answers with the costs that it expects, which
                are rewards with the sign turned.

        Raises:
            LearnerFailed: The bytes are no model for that policy, or the engine died or hung.

        """
        ...

    def scorer(self, policy: LearningPolicy, model: bytes) -> Scorer:
        """Return a scorer for a model made under a policy.

        Raises:
            LearnerFailed: The bytes are no model for that policy.

        """
        ...

    def explain(
        self, policy: LearningPolicy, model: bytes | None, contexts: Sequence[bytes]
    ) -> list[list[list[Weight]]]:
        """Return the features of each action of some contexts, with what a model has learned for them.

        Where a policy keeps several models (bag, cover) it is the mean of them.

        Args:
            policy: Under which the model was made.
            model: Its bytes; none for a blank one.
            contexts: To look at. Of a multi-slot context it is the last slot that is explained, with
                the actions that are left for it; those before it are given what they got
                (`loopledger.deciding.context.at_slot`).

        Raises:
            LearnerFailed: The engine does not say.

        """
        ...

    def probe(self, policy: LearningPolicy, model: bytes | None = None) -> None:
        """Try a policy, and a model from outside, where a crash does no harm.

        Raises:
            LearnerFailed: The engine refuses them.

        """
        ...
