"""Whether our own join makes of a cooked line's rewards the very label that the line has.

The learner computes with 32-bit floats, so labels that are the same in those are the same. What
cannot be brought about exactly is refused: a model would learn something else than it says.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

from msgspec.structs import replace

from loopledger.deciding.draw import RESOLUTION, float32
from loopledger.errors import InvalidRequest
from loopledger.learning.joining import Label, join
from loopledger.log.events import Activated, Ranked, Rewarded, SlotsRanked, encode
from loopledger.log.journal import Outcome, Traced
from loopledger.settings import RewardAggregation, Settings

Observed = Rewarded | Activated


class Expected(NamedTuple):
    """A label, as the line has it.

    Attributes:
        slot: The slot, if the line has any.
        position: Of the chosen action.
        cost: What is learned, negative rewards.
        original: What came, negative rewards.

    """

    slot: str | None
    position: int
    cost: float
    original: float


class Found(NamedTuple):
    """A decision and its rewards as far as a line says them, and the labels that have to come of them."""

    decision: Ranked | SlotsRanked
    observed: tuple[Observed, ...]
    expected: tuple[Expected, ...]


def agreeing(
    found: Found, event_id: str, settings: Settings, *, skipped: bool
) -> tuple[Ranked | SlotsRanked, tuple[Observed, ...]]:
    """Return a decision and its rewards of which our own join makes the line's labels.

    Args:
        found: As far as the line says them.
        event_id: The decision's.
        settings: Of the loop; its aggregation is tried first, then all others.
        skipped: Whether the line is not to be learned, for want of an activation.

    Raises:
        InvalidRequest: There are none.

    """
    if min(_first_probabilities(found.decision)) < RESOLUTION:
        raise InvalidRequest("p", f"begins with less than {RESOLUTION:g}: too little to be learned from")
    for observed in _readings(found.observed):
        outcomes = [Outcome(at, 0, one.kind, encode(one)) for at, one in enumerate(observed, start=2)]
        for how in _aggregations(settings):
            decision = replace(found.decision, reward_aggregation=how)
            joined = join(Traced(1, 0, event_id, encode(decision), outcomes))
            if (joined.skipped == "not activated") == skipped and _same(joined.labels, found.expected):
                return decision, observed
    raise InvalidRequest(
        "_label_cost", "does not come of the line's rewards in any known way, so it cannot be kept exactly"
    )


def _readings(observed: tuple[Observed, ...]) -> Iterator[tuple[Observed, ...]]:
    """Yield rewards as they are written and, where they may be added up, as it was done: in 32 bits.

    Those differ from what is written in the eighth digit, where a sum would otherwise do so.
    """
    yield observed
    if len(observed) > 1:
        yield tuple(
            [replace(one, value=float32(one.value)) if isinstance(one, Rewarded) else one for one in observed]
        )
        yield tuple(_as_added(observed))


def _as_added(observed: Sequence[Observed]) -> Iterator[Observed]:
    """Yield rewards as what each of them added to a running sum of 32-bit floats."""
    sums: dict[str | None, float] = {}
    for one in observed:
        if isinstance(one, Rewarded):
            before = sums.get(one.slot, 0.0)
            sums[one.slot] = float32(before + float32(one.value))
            yield replace(one, value=sums[one.slot] - before)
        else:
            yield one


def _aggregations(settings: Settings) -> list[RewardAggregation]:
    first = settings.reward_aggregation
    return [first, *(how for how in get_args(RewardAggregation) if how != first)]


def _same(labels: Sequence[Label], expected: Sequence[Expected]) -> bool:
    return all(
        label.position == one.position
        and float32(label.reward) == float32(-one.cost)
        and float32(label.original_reward) == float32(-one.original)
        for label, one in zip(labels, expected, strict=True)
    )


def _first_probabilities(decision: Ranked | SlotsRanked) -> list[float]:
    if isinstance(decision, Ranked):
        return [decision.probabilities[0]]
    return [slot.probabilities[0] for slot in decision.slots]
