"""What callers get back: decisions and receipts."""

from typing import Any

import msgspec

from loopledger.log.events import Ranked, SlotsRanked


class RankedAction(msgspec.Struct, frozen=True):
    """An action with the probability that it was drawn with."""

    id: str
    probability: float


class Decision:
    """The answer to a Rank.

    It reads from the event that is in the log, so a repeated Rank gets an equal answer.
    """

    __slots__ = ("_ranked", "event_id")

    def __init__(self, event_id: str, ranked: Ranked) -> None:
        self.event_id = event_id
        self._ranked = ranked

    @property
    def action(self) -> str:
        """The id of the action to show; rewards for the event id are rewards for it."""
        if self._ranked.learning_mode == "Online":
            return self._ranked.chosen
        return self._ranked.offered[0]

    @property
    def ranking(self) -> list[RankedAction]:
        """All actions with their probabilities.

        The chosen action comes first, and excluded ones stay where the caller had them with
        probability 0. Outside Online mode all stand in the caller's order.
        """
        offered = self._ranked.offered
        pairs = list(zip(self._ranked.ranked, self._ranked.probabilities, strict=True))
        if self._ranked.learning_mode != "Online":
            pairs.sort()
        rest = iter([RankedAction(offered[position], probability) for position, probability in pairs])
        excluded = self._ranked.excluded
        if not excluded:
            return list(rest)
        return [RankedAction(name, 0.0) if name in excluded else next(rest) for name in self._ranked.actions]

    @property
    def probability(self) -> float:
        """The probability with which `action` is chosen by the model."""
        place = self._ranked.ranked.index(self._ranked.offered.index(self.action))
        return self._ranked.probabilities[place]

    @property
    def explored(self) -> bool:
        """Whether `action` was drawn though another was more probable; never outside Online mode."""
        ranked = self._ranked
        return ranked.learning_mode == "Online" and ranked.probabilities[0] < max(ranked.probabilities)

    @property
    def model_version(self) -> int:
        """The model version that was asked; 0 when there was none."""
        return self._ranked.model_version

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "event_id": self.event_id,
            "action": self.action,
            "ranking": msgspec.to_builtins(self.ranking),
            "model_version": self.model_version,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        likely = f"{self.probability:.4f}"
        return f"Decision(event_id={self.event_id!r}, action={self.action!r}, probability={likely})"


class SlotDecision(msgspec.Struct, frozen=True):
    """What one slot gets.

    Attributes:
        slot: The slot's id.
        action: The id of the action to show there.
        ranking: The actions that were offered with their probabilities, the model's choice first.

    """

    slot: str
    action: str
    ranking: list[RankedAction]


class SlotsDecision:
    """The answer to a multi-slot Rank."""

    __slots__ = ("_ranked", "event_id")

    def __init__(self, event_id: str, ranked: SlotsRanked) -> None:
        self.event_id = event_id
        self._ranked = ranked

    @property
    def slots(self) -> list[SlotDecision]:
        """What each slot gets, in the caller's order."""
        actions = self._ranked.actions
        online = self._ranked.learning_mode == "Online"
        return [
            SlotDecision(
                slot.slot,
                slot.chosen if online else actions[slot.baseline],
                [
                    RankedAction(actions[position], probability)
                    for position, probability in zip(slot.ranked, slot.probabilities, strict=True)
                ],
            )
            for slot in self._ranked.slots
        ]

    @property
    def explored(self) -> list[bool]:
        """Of each slot, whether its action was drawn though another was more probable."""
        online = self._ranked.learning_mode == "Online"
        return [online and slot.probabilities[0] < max(slot.probabilities) for slot in self._ranked.slots]

    @property
    def model_version(self) -> int:
        """The model version that was asked; 0 when there was none."""
        return self._ranked.model_version

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "event_id": self.event_id,
            "slots": msgspec.to_builtins(self.slots),
            "model_version": self.model_version,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SlotsDecision) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        chosen = {slot.slot: slot.action for slot in self.slots}
        return f"SlotsDecision(event_id={self.event_id!r}, {chosen})"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to any other command: it is in the log.

    Attributes:
        seq: Where.
        at: When, UTC in microseconds since 1970.

    """

    seq: int
    at: int
