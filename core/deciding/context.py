"""A context as the model sees it: VowpalWabbit's JSON, in Personalizer's own layout.

The layout (`FromUrl`, `_multi` with `i` and `j`, `_slots` with `sj`) is kept to the letter, so that
models that were trained by Personalizer understand contexts from here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from loopledger.deciding.features import Budget, clean, encode_features, feature_type, looks_unusual
from loopledger.deciding.request import Features, Slot, SlotTerms
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The features that every action has: a constant and its id."""

    constant: int
    id: str


class ActionShape(msgspec.Struct, frozen=True, gc=False):
    """An action as the model sees it."""

    tag: str = msgspec.field(name="_tag")
    i: Identity
    j: list[Any] | msgspec.Raw


class SlotShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A slot as the model sees it; `offered` stands only where actions are excluded."""

    id: str = msgspec.field(name="_id")
    sj: list[Any] | msgspec.Raw
    offered: tuple[int, ...] | None = msgspec.field(name="_inc", default=None)


class ContextShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A whole context as the model sees it; `slots` stands only in multi-slot decisions."""

    FromUrl: list[Any] | msgspec.Raw
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
    ids: Sequence[str],
    features: Sequence[Features],
    limits: Limits,
    slots: Sequence[tuple[Slot, SlotTerms]] | None = None,
) -> bytes:
    """Return the context of a decision as the model will see it: JSON.

    Args:
        context: The caller's context features.
        ids: Of the actions that are offered, checked.
        features: Of those actions, in the same order.
        limits: How much it may hold.
        slots: The slots of a multi-slot decision, checked.

    Raises:
        InvalidRequest: Names the field that cannot be used.

    """
    actions = [
        ActionShape(name, Identity(1, name), _listed("actions", given, at))
        for at, (name, given) in enumerate(zip(ids, features, strict=True))
    ]
    underscores = len(actions) + 1
    slot_shapes = None
    if slots is not None:
        slot_shapes = [
            SlotShape(slot.id, _listed("slots", slot.features, at), terms.offered if terms.excluded else None)
            for at, (slot, terms) in enumerate(slots)
        ]
        underscores += 1 + len(slots) + sum(bool(terms.excluded) for _, terms in slots)
    shape = ContextShape(_listed("context", context), actions, slot_shapes)
    encoded = one_line(encode_features(shape))
    if len(encoded) > limits.request_bytes:
        raise InvalidRequest(
            "request",
            f"has {len(encoded)} bytes, more than the {limits.request_bytes} of limits.request_bytes",
        )
    if not looks_unusual(encoded, limits, underscores):
        try:
            checked = _checker(limits.nesting, limits.magnitude).decode(encoded)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            # JSON that the caller put in might close what it stands in, and begin another action.
            if len(checked.multi) == len(ids) and len(checked.slots) == len(slots or ()):
                return encoded
    return encode_features(_cleaned(shape, limits))


def one_line(json: bytes) -> bytes:
    """Return JSON without line ends; they can only stand between its words.

    A caller's own JSON may be spread over lines, and the learner reads an example a line.
    """
    if b"\n" in json or b"\r" in json:
        return json.replace(b"\n", b" ").replace(b"\r", b" ")
    return json


def with_tags(context: bytes, tags: Sequence[str], forced: Sequence[int] = ()) -> bytes:
    """Return a multi-slot context that says how each slot is drawn.

    Args:
        context: As it was logged.
        tags: For each slot the text that seeds the learner's own draw; slots without one are left out,
            which changes nothing for those before them.
        forced: The positions that the first slots get, whatever the model says.

    """
    raw = _raw_context.decode(context)
    slots = [
        _TaggedSlot(slot.id, "seed=" + tag, _NOTHING, (forced[index],))
        if index < len(forced)
        else _TaggedSlot(slot.id, "seed=" + tag, slot.sj, slot.offered)
        for index, (slot, tag) in enumerate(zip(raw.slots[: len(tags)], tags, strict=True))
    ]
    return _encoder.encode(_TaggedContext(raw.FromUrl, raw.multi, slots))


def at_slot(context: bytes, taken: Sequence[int]) -> bytes:
    """Return a multi-slot context as one slot of it is asked: the slot is the last one there.

    Args:
        context: As it was logged.
        taken: The positions that the slots before it got, which are not offered to it.

    """
    return with_tags(context, [""] * (len(taken) + 1), taken)


def read_usual(context: bytes, limits: Limits) -> Any:
    """Return a context that is exactly in the layout above and all well-formed; none if it is not.

    Args:
        context: JSON from elsewhere.
        limits: How much it may hold.

    """
    try:
        read = _checker(limits.nesting, limits.magnitude).decode(context)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    underscores = len(read.multi) + 1
    if read.slots:
        underscores += 1 + len(read.slots) + sum(bool(slot.offered) for slot in read.slots)
    return None if looks_unusual(context, limits, underscores) else read


@lru_cache(maxsize=64)
def _checker(nesting: int, magnitude: float) -> msgspec.json.Decoder[Any]:
    """Return what tells quickly whether all features of a context are well-formed."""
    features: Any = list[feature_type(nesting, magnitude)]  # type: ignore[misc]
    own: dict[str, Any] = {"gc": False, "forbid_unknown_fields": True}
    action = msgspec.defstruct(
        "action", [("tag", str), ("i", Identity), ("j", features)], rename={"tag": "_tag"}, **own
    )
    slot = msgspec.defstruct(
        "slot",
        [("id", str), ("sj", features), ("offered", list[int], msgspec.field(default_factory=list))],
        rename={"id": "_id", "offered": "_inc"},
        **own,
    )
    fields: list[Any] = [
        ("FromUrl", features),
        ("multi", list[action]),  # type: ignore[valid-type]
        ("slots", list[slot], msgspec.field(default_factory=list)),  # type: ignore[valid-type]
    ]
    return msgspec.json.Decoder(
        msgspec.defstruct("context", fields, rename={"multi": "_multi", "slots": "_slots"}, **own)
    )


def _listed(field: str, features: object, position: int | None = None) -> list[Any] | msgspec.Raw:
    if isinstance(features, msgspec.Raw | list):
        return features
    if features is None:
        return []
    if isinstance(features, dict | Mapping):
        return [features]
    if isinstance(features, Sequence) and not isinstance(features, str | bytes):
        return list(features)
    where = field if position is None else f"{field}[{position}].features"
    raise InvalidRequest(where, f"must be an object or a list of objects (got {type(features).__name__})")


def _opened(field: str, features: list[Any] | msgspec.Raw) -> list[Any]:
    if not isinstance(features, msgspec.Raw):
        return features
    try:
        return _listed(field, msgspec.json.decode(features))  # type: ignore[return-value]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(field, f"is not JSON: {error}") from None


def _cleaned(shape: ContextShape, limits: Limits) -> ContextShape:
    budget = Budget(limits)
    return ContextShape(
        clean("context", _opened("context", shape.FromUrl), limits, budget),
        [
            ActionShape(
                action.tag,
                action.i,
                clean(
                    f"actions[{at}].features", _opened(f"actions[{at}].features", action.j), limits, budget
                ),
            )
            for at, action in enumerate(shape.multi)
        ],
        None
        if shape.slots is None
        else [
            SlotShape(
                slot.id,
                clean(f"slots[{at}].features", _opened(f"slots[{at}].features", slot.sj), limits, budget),
                slot.offered,
            )
            for at, slot in enumerate(shape.slots)
        ],
    )
