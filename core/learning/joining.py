"""Joining: from a decision and what came for it to an example that can be learned from.

A joined example is a pure function of the log (promise P5): what counts is when a reward was
logged, never when it is read.
"""

import heapq
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from loopledger.clock import SECOND
from loopledger.deciding.draw import RESOLUTION
from loopledger.errors import LogDamaged
from loopledger.learning.aggregation import aggregate
from loopledger.log.events import DECISIONS, Decision, Ranked, Rewarded, SlotsRanked, decode, decode_apart
from loopledger.log.journal import Reader, Traced

EARLY = 120 * SECOND
"""How long before its decision a reward may come and still count, in microseconds."""

Late = Literal["early", "late", "repeated", "no such slot"]
Skipped = Literal["not activated", "never drawn", "left out"]


class Label(msgspec.Struct, frozen=True):
    """What one decision, or one slot of it, teaches.

    Attributes:
        slot: The slot, if the decision has any.
        position: Of the chosen action in the context.
        probability: With which it was chosen.
        reward: What is learned: the joined reward or, in Apprentice mode, 1 if the model's
            choice was the baseline and 0 if not.
        original_reward: The joined reward in any case.
        rewards: The rewards that were joined, in order of time.

    """

    slot: str | None
    position: int
    probability: float
    reward: float
    original_reward: float
    rewards: tuple[float, ...]


class Unjoined(NamedTuple):
    """A reward or activation that does not count, and why."""

    seq: int
    reason: Late


class Came(NamedTuple):
    """What came for a decision and counts.

    Attributes:
        rewards: For each slot that has any: time, seq and value, in order of time.
        activations: Their seqs.

    """

    rewards: dict[str | None, list[tuple[int, int, float]]]
    activations: list[int]


class Joined(msgspec.Struct, frozen=True):
    """A decision with what came for it.

    Attributes:
        seq: The decision's place in the log.
        at: When it was made.
        event_id: Its id.
        decision: The decision, without its context
        context: and the context, as it was logged.
        labels: What it teaches, for each slot.
        activated: Whether it took effect: not if deferred and not activated in time.
        skipped: Why nothing is learned from it, if so.
        came: The rewards and activations that count.
        unjoined: What came for it and does not count.

    """

    seq: int
    at: int
    event_id: str
    decision: Ranked | SlotsRanked
    context: bytes
    labels: tuple[Label, ...]
    activated: bool
    skipped: Skipped | None
    came: Came
    unjoined: tuple[Unjoined, ...]


def all_traced(reader: Reader, first: int, last: int) -> Iterator[Traced]:
    """Yield decisions of both kinds between two seqs, in log order, each with what came for it.

    A log holds both where its policy was changed from one to the other.
    """
    streams = [reader.traced(kind, first, last) for kind in DECISIONS]
    return heapq.merge(*streams, key=lambda traced: traced.seq)


def join(traced: Traced) -> Joined:
    """Return the joined example of a decision.

    Raises:
        LogDamaged: A body is not what it should be.

    """
    decision, context = decode_apart(traced.body, traced.seq)
    if isinstance(decision, SlotsRanked):
        came, unjoined = _sorted_outcomes(traced, decision.reward_wait, _slot_names(decision))
        labels = _slot_labels(decision, came)
    else:
        came, unjoined = _sorted_outcomes(traced, decision.reward_wait, _NO_SLOTS)
        labels = (_label(decision, came),)
    skipped: Skipped | None = None
    if decision.deferred and not came.activations:
        skipped = "not activated"
    elif min(label.probability for label in labels) < RESOLUTION:
        # Outside Online mode the caller's own action is kept even where the model would never
        # have drawn it; importance weighting would divide by that probability.
        skipped = "never drawn"
    return Joined(
        traced.seq,
        traced.at,
        traced.event_id,
        decision,
        context,
        labels,
        bool(came.activations) or not decision.deferred,
        skipped,
        came,
        tuple(unjoined),
    )


_NO_SLOTS: dict[str | None, str | None] = {None: None}


def _slot_names(decision: SlotsRanked) -> dict[str | None, str | None]:
    """Return the names by which rewards may call a decision's slots, with the slots' ids.

    As in rlclientlib a slot may be called by its place, counted from 0, where no slot has that id.
    """
    names: dict[str | None, str | None] = {str(place): slot.slot for place, slot in enumerate(decision.slots)}
    return names | {slot.slot: slot.slot for slot in decision.slots}


def _sorted_outcomes(
    traced: Traced, wait: int, slots: dict[str | None, str | None]
) -> tuple[Came, list[Unjoined]]:
    """Return what counts, rewards by slot in order of time, and what does not.

    Args:
        traced: A decision with its outcomes.
        wait: Its reward wait in microseconds.
        slots: What its slots may be called.

    """
    rewards: dict[str | None, list[tuple[int, int, float]]] = {}
    activations: list[int] = []
    unjoined: list[Unjoined] = []
    seen: set[tuple[str | None, str]] = set()
    for seq, at, kind, body in traced.outcomes:
        age = at - traced.at
        if not -EARLY < age < wait:
            unjoined.append(Unjoined(seq, "early" if age < 0 else "late"))
            continue
        if kind == "Activated":
            activations.append(seq)
            continue
        # Most rewards are among a few values, and decoding is most of what joining costs.
        reward = _rewarded(body)
        if reward.slot not in slots:
            unjoined.append(Unjoined(seq, "no such slot"))
            continue
        slot = slots[reward.slot]
        if reward.key is not None:
            if (slot, reward.key) in seen:
                unjoined.append(Unjoined(seq, "repeated"))
                continue
            seen.add((slot, reward.key))
        rewards.setdefault(slot, []).append((at, seq, reward.value))
    for joined in rewards.values():
        joined.sort()
    return Came(rewards, activations), unjoined


@lru_cache(maxsize=4096)
def _rewarded(body: bytes) -> Rewarded:
    reward = decode(body, 0)
    if not isinstance(reward, Rewarded):
        raise LogDamaged("the body of a reward is something else")
    return reward


def _values(came: Came, slot: str | None) -> tuple[float, ...]:
    joined = came.rewards.get(slot)
    return tuple([value for _, _, value in joined]) if joined else ()


def _reward(decision: Decision, values: Sequence[float]) -> float:
    return aggregate(values, decision.reward_aggregation, decision.default_reward)


def _label(decision: Ranked, came: Came) -> Label:
    position = decision.ranked[0]
    values = _values(came, None)
    original = _reward(decision, values)
    reward = original
    if decision.learning_mode == "Apprentice":
        reward = 1.0 if position == 0 else 0.0
    return Label(None, position, decision.probabilities[0], reward, original, values)


def _slot_labels(decision: SlotsRanked, came: Came) -> tuple[Label, ...]:
    labels: list[Label] = []
    for slot in decision.slots:
        position = slot.ranked[0]
        values = _values(came, slot.slot)
        original = _reward(decision, values)
        reward = original
        if decision.learning_mode == "Apprentice":
            reward = 1.0 if position == slot.baseline else 0.0
        labels.append(Label(slot.slot, position, slot.probabilities[0], reward, original, values))
    return tuple(labels)
