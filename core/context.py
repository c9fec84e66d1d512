"""A context as the model sees it: VowpalWabbit's JSON, in Personalizer's own layout.

The layout (`FromUrl`, `_multi` with `i` and `j`, `_slots` with `sj`) is kept to the letter, so that
models that were trained by Personalizer understand contexts from here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from loopledger.errors import InvalidRequest
from loopledger.features import Budget, clean, encode_features, feature_type, looks_unusual
from loopledger.request import Action, Features, Slot, SlotTerms
from loopledger.settings import Limits


class Identity(msgspec.Struct, frozen=True):
    """The features that every action has: a constant and its id."""

    constant: int
    id: str


class ActionShape(msgspec.Struct, frozen=True):
    """An action as the model sees it."""

    tag: str = msgspec.field(name="_tag")
    i: Identity
    j: list[Any]


class SlotShape(msgspec.Struct, frozen=True, omit_defaults=True):
    """A slot as the model sees it; `offered` stands only where actions are excluded."""

    id: str = msgspec.field(name="_id")
    sj: list[Any]
    offered: tuple[int, ...] | None = msgspec.field(name="_inc", default=None)


class ContextShape(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole context as the model sees it; `slots` stands only in multi-slot decisions."""

    FromUrl: list[Any]
    multi: list[ActionShape] = msgspec.field(name="_multi")
    slots: list[SlotShape] | None = msgspec.field(name="_slots", default=None)


class _RawSlot(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    sj: msgspec.Raw
    offered: tuple[int, ...] | None = msgspec.field(name="_inc", default=None)


class _RawContext(msgspec.Struct, frozen=True):
    FromUrl: msgspec.Raw
    multi: msgspec.Raw = msgspec.field(name="_multi")
    slots: list[_RawSlot] = msgspec.field(name="_slots")


class _TaggedSlot(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str = msgspec.field(name="_id")
    tag: str = msgspec.field(name="_tag")
    sj: msgspec.Raw
    offered: tuple[int, ...] | None = msgspec.field(name="_inc", default=None)


class _TaggedContext(msgspec.Struct, frozen=True):
    FromUrl: msgspec.Raw
    multi: msgspec.Raw = msgspec.field(name="_multi")
    slots: list[_TaggedSlot] = msgspec.field(name="_slots")


_raw_context = msgspec.json.Decoder(_RawContext)
_encoder = msgspec.json.Encoder()
_NOTHING = msgspec.Raw(b"[]")


def build_context(
    context: Features,
    actions: Sequence[Action],
    limits: Limits,
    slots: Sequence[tuple[Slot, SlotTerms]] | None = None,
) -> bytes:
    """Return the context of a decision as the model will see it: JSON.

    Args:
        context: The caller's context features.
        actions: The actions that are offered, ids checked.
        limits: How much it may hold.
        slots: The slots of a multi-slot decision, checked.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    slot_shapes = None
    restricted = 0
    if slots is not None:
        slot_shapes = []
        for position, (slot, terms) in enumerate(slots):
            offered = terms.offered if terms.excluded else None
            restricted += offered is not None
            slot_shapes.append(
                SlotShape(slot.id, _listed("slots[{}].features", slot.features, position), offered)
            )
    shape = ContextShape(
        _listed("context", context),
        [
            ActionShape(
                action.id, Identity(1, action.id), _listed("actions[{}].features", action.features, position)
            )
            for position, action in enumerate(actions)
        ],
        slot_shapes,
    )
    encoded = encode_features(shape)
    if len(encoded) > limits.request_bytes:
        raise InvalidRequest(
            "request",
            f"has {len(encoded)} bytes, more than the {limits.request_bytes} of limits.request_bytes",
        )
    underscores = 1 + len(actions) + (0 if slots is None else 1 + len(slots) + restricted)
    if not looks_unusual(encoded, limits, underscores):
        try:
            _checker(limits).decode(encoded)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return encoded
    return encode_features(_cleaned(shape, limits))


def with_tags(context: bytes, tags: Sequence[str], forced: Sequence[int] = ()) -> bytes:
    """Return a multi-slot context that says how each slot is drawn.

    Args:
        context: As it was logged.
        tags: For each slot the text that seeds the learner's own draw.
        forced: The positions that the first slots get, whatever the model says.

    """
    raw = _raw_context.decode(context)
    slots = [
        _TaggedSlot(slot.id, "seed=" + tag, _NOTHING, (forced[index],))
        if index < len(forced)
        else _TaggedSlot(slot.id, "seed=" + tag, slot.sj, slot.offered)
        for index, (slot, tag) in enumerate(zip(raw.slots, tags, strict=True))
    ]
    return _encoder.encode(_TaggedContext(raw.FromUrl, raw.multi, slots))


@lru_cache(maxsize=64)
def _checker(limits: Limits) -> msgspec.json.Decoder[Any]:
    features = list[feature_type(limits.nesting, limits.magnitude)]  # type: ignore[misc]
    action = msgspec.defstruct("action", [("j", features)])
    slot = msgspec.defstruct("slot", [("sj", features)])
    return msgspec.json.Decoder(
        msgspec.defstruct(
            "context",
            [
                ("FromUrl", features),
                ("multi", list[action]),
                ("slots", list[slot], msgspec.field(default_factory=list)),
            ],  # type: ignore[valid-type]
            rename={"multi": "_multi", "slots": "_slots"},
        )
    )


def _listed(field: str, features: Features, position: int = 0) -> list[Any]:
    if isinstance(features, list):
        return features
    if features is None:
        return []
    if isinstance(features, Mapping):
        return [features]
    if isinstance(features, Sequence) and not isinstance(features, str | bytes):
        return list(features)
    raise InvalidRequest(
        field.format(position), f"must be an object or a list of objects (got {type(features).__name__})"
    )


def _cleaned(shape: ContextShape, limits: Limits) -> ContextShape:
    budget = Budget(limits)
    return ContextShape(
        clean("context", shape.FromUrl, limits, budget),
        [
            ActionShape(action.tag, action.i, clean(f"actions[{at}].features", action.j, limits, budget))
            for at, action in enumerate(shape.multi)
        ],
        None
        if shape.slots is None
        else [
            SlotShape(slot.id, clean(f"slots[{at}].features", slot.sj, limits, budget), slot.offered)
            for at, slot in enumerate(shape.slots)
        ],
    )
