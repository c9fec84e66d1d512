"""Joined examples as lines of JSON that VowpalWabbit learns from (its ``--dsjson``).

The names are those of Personalizer's cooked logs: ``c`` is the context, and a multi-slot line has
``_outcomes`` with actions from 0. There are two forms. The learner's own leaves out what it does
not look at, of ``a`` and ``p``, the ranked actions (from 1) and their probabilities, all but the
chosen one's. The cooked form is whole, field by field in the order of Personalizer's.
"""

from collections.abc import Iterator

from msgspec import Raw, Struct, UnsetType, field
from msgspec.json import Encoder, encode

from loopledger.deciding.context import one_line
from loopledger.learning.joining import Joined, Label
from loopledger.log.events import Ranked, SlotsRanked

_LABEL = (
    '{"_label_cost":%r,"_label_probability":%s,"_label_Action":%d,"_labelIndex":%d,"a":[%d],"p":[%s],"c":'
)


def learning_line(joined: Joined) -> bytes | None:
    """Return the line that the learner gets for a joined example; none if it is skipped."""
    if joined.skipped is not None:
        return None
    decision = joined.decision
    context = one_line(joined.context)
    if isinstance(decision, SlotsRanked):
        return b'{"c":%b,"_outcomes":%b}\n' % (context, _outcomes(decision, joined.labels))
    (label,) = joined.labels
    number = label.position + 1
    probability = repr(label.probability)
    begun = _LABEL % (-label.reward, probability, number, label.position, number, probability)
    return b"%b%b}\n" % (begun.encode(), context)


def cooked_line(joined: Joined, timestamp: str) -> bytes:
    """Return a joined example as Personalizer's cooked logs have it; a skipped one says so.

    Args:
        joined: The joined example.
        timestamp: When the decision was made, as text.

    """
    decision = joined.decision
    whole = (
        _cooked_slots(joined, decision, timestamp)
        if isinstance(decision, SlotsRanked)
        else _cooked(joined, decision, timestamp)
    )
    return _encoder.encode(whole) + b"\n"


def _outcomes(decision: SlotsRanked, labels: tuple[Label, ...]) -> bytes:
    return encode(
        [
            {"_label_cost": -label.reward, "_id": label.slot, "_a": slot.ranked, "_p": slot.probabilities}
            for label, slot in zip(labels, decision.slots, strict=True)
        ]
    )


class _Observed(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A reward or an activation."""

    v: float | None = None
    event_id: str = field(name="EventId")
    slot: str | None = field(name="Index", default=None)
    action_taken: bool = field(name="ActionTaken")


class _Model(Struct, gc=False):
    """The model that was asked."""

    m: str


class _Cooked(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A line for one action; what has a default is left out where it says nothing."""

    cost: float = field(name="_label_cost")
    probability: float = field(name="_label_probability")
    action: int = field(name="_label_Action")
    index: int = field(name="_labelIndex")
    skipped: bool = field(name="_skipLearn", default=False)
    o: list[_Observed] = field(default_factory=list)
    timestamp: str = field(name="Timestamp")
    version: str = field(name="Version")
    event_id: str = field(name="EventId")
    a: list[int]
    c: Raw
    p: tuple[float, ...]
    model: _Model = field(name="VWState")
    original_cost: float = field(name="_original_label_cost")


class _CookedSlot(Struct, gc=False):
    """What a line for several slots has for each."""

    cost: float = field(name="_label_cost")
    slot: str = field(name="_id")
    a: tuple[int, ...] = field(name="_a")
    p: tuple[float, ...] = field(name="_p")
    o: list[_Observed] = field(name="_o")
    original_cost: float = field(name="_original_label_cost")


class _CookedSlots(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A line for several slots."""

    timestamp: str = field(name="Timestamp")
    skipped: bool = field(name="_skipLearn", default=False)
    version: str = field(name="Version")
    event_id: str = field(name="EventId")
    c: Raw
    outcomes: list[_CookedSlot] = field(name="_outcomes")
    baselines: list[int] = field(name="_ba")
    model: _Model = field(name="VWState")


_VERSION = "1"
_NO_MODEL = "N/A"
_encoder = Encoder()


def _cooked(joined: Joined, decision: Ranked, timestamp: str) -> _Cooked:
    (label,) = joined.labels
    return _Cooked(
        cost=-label.reward,
        probability=label.probability,
        action=label.position + 1,
        index=label.position,
        skipped=joined.skipped is not None,
        o=list(_observed(joined, None)),
        timestamp=timestamp,
        version=_VERSION,
        event_id=joined.event_id,
        a=[position + 1 for position in decision.ranked],
        c=Raw(one_line(joined.context)),
        p=decision.probabilities,
        model=_model(decision),
        original_cost=-label.original_reward,
    )


def _cooked_slots(joined: Joined, decision: SlotsRanked, timestamp: str) -> _CookedSlots:
    return _CookedSlots(
        timestamp=timestamp,
        skipped=joined.skipped is not None,
        version=_VERSION,
        event_id=joined.event_id,
        c=Raw(one_line(joined.context)),
        outcomes=[
            _CookedSlot(
                -label.reward,
                slot.slot,
                slot.ranked,
                slot.probabilities,
                list(_observed(joined, slot.slot)),
                -label.original_reward,
            )
            for label, slot in zip(joined.labels, decision.slots, strict=True)
        ],
        baselines=[slot.baseline for slot in decision.slots],
        model=_model(decision),
    )


def _observed(joined: Joined, slot: str | None) -> Iterator[_Observed]:
    """Yield what came and counts, in log order; an activation is one of every slot."""
    found: list[tuple[int, float | None]] = [
        (seq, value) for _, seq, value in joined.came.rewards.get(slot, ())
    ]
    found += [(seq, None) for seq in joined.came.activations]
    for _, value in sorted(found):
        yield _Observed(v=value, event_id=joined.event_id, slot=slot, action_taken=value is None)


def _model(decision: Ranked | SlotsRanked) -> _Model:
    if not isinstance(decision.origin, UnsetType):
        return _Model(decision.origin)
    return _Model(str(decision.model_version) if decision.model_version else _NO_MODEL)
