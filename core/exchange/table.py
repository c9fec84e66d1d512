"""Decisions as rows of a plain table, for tools of off-policy evaluation.

docs/exporting.md says what the columns mean.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from loopledger.answers import Decision, SlotsDecision
from loopledger.deciding.context import one_line
from loopledger.learning.joining import Joined, Label, Skipped
from loopledger.log.events import Ranked


class Row(NamedTuple):
    """One decision, or one slot of it; the fields are the table's columns, in their order.

    Attributes:
        seq: The decision's place in the log.
        time: When it was made, UTC in microseconds since 1970.
        event_id: Its id.
        slot: The slot's id, if the decision has slots.
        model_version: The version that was asked; 0 when there was no model.
        learning_mode: In force then.
        deferred: Whether it counts only once it is activated.
        activated: Whether it took effect.
        open: Whether rewards could still come when the table was made.
        skipped: Why nothing is learned from it, if so.
        action: The id of the action that was chosen.
        position: Its place in `actions`, from 0.
        probability: With which it was chosen: the propensity.
        shown_action: The id of the action that the caller was told to show; only outside Online
            mode can it be another.
        baseline_action: The id of the caller's own choice.
        reward: What came for it, as one number; none if the decision did not take effect.
        rewards_joined: How many rewards that number is made of; 0: it is the default reward.
        actions: Every action id of the request.
        probabilities: With what probability each of them could be chosen; 0 for those that were
            not offered.
        context: Context and actions as the model saw them, VowpalWabbit's JSON.

    """

    seq: int
    time: int
    event_id: str
    slot: str | None
    model_version: int
    learning_mode: str
    deferred: bool
    activated: bool
    open: bool
    skipped: Skipped | None
    action: str
    position: int
    probability: float
    shown_action: str
    baseline_action: str
    reward: float | None
    rewards_joined: int
    actions: tuple[str, ...]
    probabilities: list[float]
    context: str


def rows(decisions: Iterable[Joined], now: int) -> Iterator[Row]:
    """Yield the rows of some decisions.

    Args:
        decisions: The decisions, joined.
        now: The time at which it is asked whether rewards may still come.

    """
    for joined in decisions:
        yield from _rows(joined, now)


def _rows(joined: Joined, now: int) -> Iterator[Row]:
    decision = joined.decision
    if isinstance(decision, Ranked):
        offered = decision.offered
        places = _places(decision, offered)
        drawn = [
            (places[at], chance) for at, chance in zip(decision.ranked, decision.probabilities, strict=True)
        ]
        shown = Decision(joined.event_id, decision).action
        yield _row(joined, joined.labels[0], now, drawn, shown, offered[0])
        return
    answers = SlotsDecision(joined.event_id, decision).slots
    for label, slot, answer in zip(joined.labels, decision.slots, answers, strict=True):
        drawn = list(zip(slot.ranked, slot.probabilities, strict=True))
        yield _row(joined, label, now, drawn, answer.action, decision.actions[slot.baseline])


def _places(decision: Ranked, offered: Sequence[str]) -> Sequence[int]:
    """Return where the offered actions stand among all."""
    if not decision.excluded:
        return range(len(offered))
    return [at for at, name in enumerate(decision.actions) if name not in decision.excluded]


def _row(
    joined: Joined, label: Label, now: int, drawn: list[tuple[int, float]], shown: str, baseline: str
) -> Row:
    """Return a row; what was drawn is a place among all actions and its probability, the chosen first."""
    decision = joined.decision
    position, probability = drawn[0]
    probabilities = [0.0] * len(decision.actions)
    for place, chance in drawn:
        probabilities[place] = chance
    return Row(
        seq=joined.seq,
        time=joined.at,
        event_id=joined.event_id,
        slot=label.slot,
        model_version=decision.model_version,
        learning_mode=decision.learning_mode,
        deferred=decision.deferred,
        activated=joined.activated,
        open=now - joined.at < decision.reward_wait,
        skipped=joined.skipped,
        action=decision.actions[position],
        position=position,
        probability=probability,
        shown_action=shown,
        baseline_action=baseline,
        reward=label.original_reward if joined.activated else None,
        rewards_joined=len(label.rewards),
        actions=decision.actions,
        probabilities=probabilities,
        context=one_line(joined.context).decode(),
    )
