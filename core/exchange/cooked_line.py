"""Lines of Personalizer's cooked logs, read back into the decision and the rewards they were made of.

A line holds a decision, what was observed, and the label that came of both. Actions are counted
from 1 in lines of one action, and from 0 in lines of several slots.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from loopledger.deciding.draw import float32
from loopledger.deciding.request import check_id, check_ids
from loopledger.errors import InvalidRequest
from loopledger.exchange.cooked_agreement import Expected, Found, Observed, agreeing
from loopledger.exchange.cooked_context import CookedContext, read_context
from loopledger.log.events import Activated, Ranked, Rewarded, SlotRanking, SlotsRanked
from loopledger.settings import LearningMode, Settings

_LARGEST = 1e12
_BESIDE_CONTEXT = 262_144
_TOLERANCE = 1e-4


class Times(NamedTuple):
    """What reading lines needs to know of times.

    Attributes:
        now: The present, UTC in microseconds since 1970; nothing can have come later.
        read: Returns a time, in the same measure, from ISO 8601 text, or raises `InvalidRequest`.

    """

    now: int
    read: Callable[[str], int]


class CookedLine(NamedTuple):
    """What a line of a cooked log comes to.

    Attributes:
        event_id: Of the decision, or that the rewards name.
        at: When, UTC in microseconds since 1970.
        decision: What was decided; none for rewards whose decision is not known.
        observed: What came for it.
        weighted: Whether it stood for others that were dropped (``pdrop``).

    """

    event_id: str
    at: int
    decision: Ranked | SlotsRanked | None
    observed: tuple[Observed, ...]
    weighted: bool = False


class _Observation(msgspec.Struct):
    v: Any = None
    taken: bool | None = msgspec.field(name="ActionTaken", default=None)
    slot: str | int | None = msgspec.field(name="Index", default=None)


class _Outcome(msgspec.Struct):
    cost: float = msgspec.field(name="_label_cost")
    actions: list[int] = msgspec.field(name="_a")
    probabilities: list[float] = msgspec.field(name="_p")
    slot: str | None = msgspec.field(name="_id", default=None)
    observed: list[_Observation] | None = msgspec.field(name="_o", default=None)
    original: float | None = msgspec.field(name="_original_label_cost", default=None)


class _State(msgspec.Struct):
    m: str | None = None


class _Line(msgspec.Struct):
    event_id: str = msgspec.field(name="EventId")
    time: str | None = msgspec.field(name="Timestamp", default=None)
    context: msgspec.Raw = msgspec.field(name="c", default=msgspec.Raw())
    actions: list[int] | None = msgspec.field(name="a", default=None)
    probabilities: list[float] | None = msgspec.field(name="p", default=None)
    observed: list[_Observation] | None = msgspec.field(name="o", default=None)
    cost: float | None = msgspec.field(name="_label_cost", default=None)
    probability: float | None = msgspec.field(name="_label_probability", default=None)
    action: int | None = msgspec.field(name="_label_Action", default=None)
    index: int | None = msgspec.field(name="_labelIndex", default=None)
    original: float | None = msgspec.field(name="_original_label_cost", default=None)
    skipped: bool | None = msgspec.field(name="_skipLearn", default=None)
    dropped: float | None = msgspec.field(name="pdrop", default=None)
    state: _State | None = msgspec.field(name="VWState", default=None)
    outcomes: list[_Outcome] | None = msgspec.field(name="_outcomes", default=None)
    baselines: list[int] | None = msgspec.field(name="_ba", default=None)
    enqueued: str | None = msgspec.field(name="EnqueuedTimeUtc", default=None)
    reward: Any = msgspec.field(name="RewardValue", default=None)
    activated: bool | None = msgspec.field(name="ActionTaken", default=None)
    observations: list[_Observation] | None = msgspec.field(name="Observations", default=None)


_decoder = msgspec.json.Decoder(_Line)


def longest_line(settings: Settings) -> int:
    """Return how many bytes a line may have: those of a request, and some for what stands beside it."""
    return settings.limits.request_bytes + _BESIDE_CONTEXT


def read_line(line: bytes, settings: Settings, times: Times) -> CookedLine:
    """Return what a line of a cooked log comes to.

    Args:
        line: JSON.
        settings: Of the loop that it is for.
        times: What is needed to know of times.

    Raises:
        InvalidRequest: Names the field for which the line cannot be taken.

    """
    if len(line) > longest_line(settings):
        raise InvalidRequest("line", f"has more than {longest_line(settings):,} bytes")
    try:
        read = _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise InvalidRequest("line", f"is none of a cooked log: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest("line", f"is not JSON: {error}") from None
    check_id("EventId", read.event_id, settings.limits)
    if not read.context:
        return _dangling(read, settings, times)
    at = _time("Timestamp", read.time, times)
    context = read_context(bytes(read.context), settings.limits)
    found = _slots(read, context, settings) if read.outcomes is not None else _single(read, context, settings)
    decision, observed = agreeing(found, read.event_id, settings, skipped=bool(read.skipped))
    return CookedLine(read.event_id, at, decision, observed, bool(read.dropped))


def _dangling(read: _Line, settings: Settings, times: Times) -> CookedLine:
    if read.enqueued is None:
        raise InvalidRequest("c", "is missing, and the line is no reward without a decision either")
    alone = _Observation(read.reward, read.activated)
    observed = _observed(read.observations or [alone], settings)
    return CookedLine(read.event_id, _time("EnqueuedTimeUtc", read.enqueued, times), None, observed)


def _single(read: _Line, context: CookedContext, settings: Settings) -> Found:
    if context.offered:
        raise InvalidRequest("c._slots", "must not be in a line that has no _outcomes")
    if read.actions is None or read.probabilities is None or read.cost is None:
        raise InvalidRequest(
            "a", "must be there, and p and _label_cost: there is nothing to learn without them"
        )
    ranked = _ranked("a", [number - 1 for number in read.actions], read.probabilities, context)
    if len(ranked) != len(context.actions):
        raise InvalidRequest("a", "must rank every action")
    numbered = None if read.action is None else read.action - 1
    for field, place in (("_label_Action", numbered), ("_labelIndex", read.index)):
        if place is not None and place != ranked[0]:
            raise InvalidRequest(field, "is another action than the first of a")
    observed = _observed(read.observed or (), settings)
    original = read.cost if read.original is None else read.original
    expected = (
        Expected(
            None, ranked[0], _finite("_label_cost", read.cost), _finite("_original_label_cost", original)
        ),
    )
    decision = Ranked(
        **_terms(read, context, settings, observed, expected),
        excluded=(),
        ranked=ranked,
        probabilities=tuple(read.probabilities),
        chosen=context.actions[ranked[0]],
        context=msgspec.Raw(context.body),
    )
    _check_probability(read)
    return Found(decision, observed, expected)


def _slots(read: _Line, context: CookedContext, settings: Settings) -> Found:
    outcomes = read.outcomes or []
    if len(outcomes) != len(context.offered) or not outcomes:
        raise InvalidRequest("_outcomes", "must be as many as c._slots")
    names = [str(at) if outcome.slot is None else outcome.slot for at, outcome in enumerate(outcomes)]
    check_ids("_outcomes[{}]._id", names, settings.limits)
    slots: list[SlotRanking] = []
    expected: list[Expected] = []
    observations: list[list[_Observation]] = []
    for at, (name, outcome) in enumerate(zip(names, outcomes, strict=True)):
        field = f"_outcomes[{at}]"
        ranked = _ranked(f"{field}._a", outcome.actions, outcome.probabilities, context)
        if not set(ranked) <= set(context.offered[at]):
            raise InvalidRequest(f"{field}._a", "has an action that the slot may not get")
        slots.append(
            SlotRanking(
                slot=name,
                baseline=_baseline(read, at, context),
                excluded=tuple(
                    context.actions[i] for i in range(len(context.actions)) if i not in context.offered[at]
                ),
                ranked=ranked,
                probabilities=tuple(outcome.probabilities),
                chosen=context.actions[ranked[0]],
            )
        )
        original = outcome.cost if outcome.original is None else outcome.original
        costs = (
            _finite(f"{field}._label_cost", outcome.cost),
            _finite(f"{field}._original_label_cost", original),
        )
        expected.append(Expected(name, ranked[0], *costs))
        observations.append(
            [
                one if one.slot is not None else _Observation(one.v, one.taken, name)
                for one in outcome.observed or ()
            ]
        )
    if len({slot.ranked[0] for slot in slots}) != len(slots):
        raise InvalidRequest("_outcomes", "choose the same action for two slots")
    observed = _observed(list(_of_all_slots(observations)), settings)
    terms = _terms(read, context, settings, observed, tuple(expected))
    decision = SlotsRanked(**terms, slots=tuple(slots), context=msgspec.Raw(context.body))
    return Found(decision, observed, tuple(expected))


def _of_all_slots(observations: Sequence[Sequence[_Observation]]) -> Iterator[_Observation]:
    """Yield what came for a decision, each slot's in its order.

    An activation is one of the whole decision and stands in every slot: the first of each is one, and
    so is the second.
    """
    slots = [iter(of_slot) for of_slot in observations]
    while slots:
        activation: _Observation | None = None
        further: list[Iterator[_Observation]] = []
        for slot in slots:
            for one in slot:
                if one.taken:
                    activation = one
                    further.append(slot)
                    break
                yield one
        if activation is not None:
            yield activation
        slots = further


def _terms(
    read: _Line,
    context: CookedContext,
    settings: Settings,
    observed: Sequence[Observed],
    expected: Sequence[Expected],
) -> dict[str, Any]:
    """Return the terms under which a decision teaches what its line says."""
    activated = any(isinstance(one, Activated) for one in observed)
    rewarded = _rewarded_slots(observed, [one.slot for one in expected])
    alone = [one.original for one in expected if one.slot not in rewarded]
    default = -alone[0] + 0.0 if alone else settings.default_reward
    _check_reward("_original_label_cost", default, settings)
    imitates = any(float32(one.cost) != float32(one.original) for one in expected)
    mode: LearningMode = "Apprentice" if imitates else "Online"
    origin = read.state.m if read.state is not None and read.state.m else "N/A"
    return {
        "actions": context.actions,
        "model_version": 0,
        "learning_mode": mode,
        "deferred": bool(read.skipped) or activated,
        "minimum_probability": 0.0,
        "reward_wait": settings.reward_wait,
        "default_reward": default,
        "reward_aggregation": settings.reward_aggregation,
        "origin": check_id("VWState.m", origin, settings.limits),
    }


def _rewarded_slots(observed: Sequence[Observed], slots: Sequence[str | None]) -> set[str | None]:
    """Return the slots that a reward names, by their id or their place."""
    named = {one.slot for one in observed if isinstance(one, Rewarded)}
    return {slot for at, slot in enumerate(slots) if slot in named or (slot is not None and str(at) in named)}


def _ranked(
    field: str, positions: list[int], probabilities: list[float], context: CookedContext
) -> tuple[int, ...]:
    count = len(context.actions)
    if not positions or len(set(positions)) != len(positions) or not all(0 <= at < count for at in positions):
        raise InvalidRequest(field, "must name actions of c._multi, each at most once")
    good = all(0.0 <= probability <= 1.0 + _TOLERANCE for probability in probabilities)
    if len(probabilities) != len(positions) or not good:
        raise InvalidRequest(field, "must have a probability between 0 and 1 for each of its actions")
    return tuple(positions)


def _baseline(read: _Line, at: int, context: CookedContext) -> int:
    listed = read.baselines or []
    position = listed[at] if at < len(listed) else at
    if not 0 <= position < len(context.actions):
        raise InvalidRequest(f"_ba[{at}]", "must be a position in c._multi")
    return position


def _check_probability(read: _Line) -> None:
    """Refuse a label whose probability is not that of the draw.

    Where others were dropped, Personalizer multiplied it by the share that was not.
    """
    if read.probability is None or not read.probabilities:
        return
    drawn = read.probabilities[0]
    written = _finite("_label_probability", read.probability)
    if float32(written) != float32(drawn) and not read.dropped:
        raise InvalidRequest("_label_probability", "is another than the first of p")


def _observed(observations: Sequence[_Observation], settings: Settings) -> tuple[Observed, ...]:
    found: list[Observed] = []
    for one in observations:
        if one.taken:
            found.append(Activated())
            continue
        # What is no number counted as a reward of 0.
        value = float(one.v) if isinstance(one.v, int | float) and not isinstance(one.v, bool) else 0.0
        _check_reward("o", value, settings)
        slot = None if one.slot is None else check_id("o.Index", str(one.slot), settings.limits)
        found.append(Rewarded(value=value, slot=slot))
    return tuple(found)


def _check_reward(field: str, value: float, settings: Settings) -> None:
    low, high = settings.reward_range
    if not low <= value <= high:
        raise InvalidRequest(
            field,
            f"means a reward that is not between {low:g} and {high:g}: widen reward_range in the settings",
        )


def _finite(field: str, value: float) -> float:
    if not abs(value) <= _LARGEST:
        raise InvalidRequest(field, f"must lie within ±{_LARGEST:g}")
    return value


def _time(field: str, text: str | None, times: Times) -> int:
    try:
        at = times.read(text or "")
    except InvalidRequest:
        raise InvalidRequest(field, "must be a time such as 2021-04-24T20:02:39.0740000Z") from None
    if not 0 <= at <= times.now:
        raise InvalidRequest(field, "must not lie in the future, nor before 1970")
    return at
