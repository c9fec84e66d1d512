"""Contexts of cooked logs, as a model elsewhere saw them: let in as they are, or not at all.

A context that a Rank could have made passes byte for byte. Names that begin with an underscore and
mean nothing to the learner's parser are left out: VowpalWabbit passes over them, so the model sees
the same. Whatever else would have to be changed is refused, since a model would then learn from
something that no decision was made on.
"""

import json
from typing import Any, NamedTuple

from loopledger.deciding.context import read_usual
from loopledger.deciding.features import Budget, clean, encode_features
from loopledger.deciding.request import check_actions
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits

_INSTRUCTIONS = frozenset(
    {"_multi", "_slots", "_tag", "_text", "_inc", "_a", "__aid", "_original_label_cost", "_aux"}
)
"""Names by which features would tell VowpalWabbit's parser what to do, beside those on ``_label``."""

_OWN = frozenset({"_multi", "_slots"})
_OF_ACTION = frozenset({"_tag"})
_OF_SLOT = frozenset({"_id", "_inc"})


class CookedContext(NamedTuple):
    """A context that may go into the log.

    Attributes:
        body: JSON, as the model sees it.
        actions: The ids of its actions.
        offered: For each slot the positions that it may get; none in a decision of one action.

    """

    body: bytes
    actions: tuple[str, ...]
    offered: tuple[tuple[int, ...], ...]


def read_context(context: bytes, limits: Limits) -> CookedContext:
    """Return the context of a cooked line, once it is clear that it can do no harm.

    Raises:
        InvalidRequest: Names the field that would have to be changed.

    """
    if len(context) > limits.request_bytes:
        raise InvalidRequest("c", f"has more than the {limits.request_bytes} bytes of limits.request_bytes")
    usual = read_usual(context, limits)
    if usual is not None:
        ids = check_actions(tuple([action.tag for action in usual.multi]), limits)
        return _offered(context, ids, [slot.offered or None for slot in usual.slots], limits)
    try:
        parsed = json.loads(context.decode(), object_pairs_hook=_pairs, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("c", f"is not JSON: {error}") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("_multi"), list):
        raise InvalidRequest("c", "must be an object with the actions as a list in _multi")
    return _walked(context, parsed, limits)


def _walked(context: bytes, parsed: dict[str, Any], limits: Limits) -> CookedContext:
    budget = Budget(limits)
    kept = _holder("c", parsed, _OWN, limits, budget)
    actions = [_object(f"c._multi[{at}]", action) for at, action in enumerate(parsed["_multi"])]
    kept["_multi"] = [
        _holder(f"c._multi[{at}]", action, _OF_ACTION, limits, budget) for at, action in enumerate(actions)
    ]
    included: list[Any] = []
    if "_slots" in parsed:
        if not isinstance(parsed["_slots"], list) or not parsed["_slots"]:
            raise InvalidRequest("c._slots", "must be a list of slots, at least one")
        slots = [_object(f"c._slots[{at}]", slot) for at, slot in enumerate(parsed["_slots"])]
        included = [_taken_out(slot) for slot in slots]
        kept["_slots"] = [
            _holder(f"c._slots[{at}]", slot, _OF_SLOT, limits, budget) for at, slot in enumerate(slots)
        ]
        for slot, positions in zip(kept["_slots"], included, strict=True):
            if positions is not None:
                slot["_inc"] = positions
    ids = check_actions(tuple(_action_id(action, at) for at, action in enumerate(actions)), limits)
    encoded = encode_features(kept)  # which finds what is no Unicode, too
    return _offered(context if kept == json.loads(context) else encoded, ids, included, limits)


def _holder(
    field: str, holder: dict[str, Any], own: frozenset[str], limits: Limits, budget: Budget
) -> dict[str, Any]:
    """Return what holds features, without the names that the learner passes over."""
    kept: dict[str, Any] = {}
    for name, value in holder.items():
        where = f"{field}.{name}"
        if name in own:
            kept[name] = value
            continue
        _look(where, name, value)
        if name.startswith("_"):
            continue
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            kept[name] = clean(where, value, limits, budget)
        else:
            kept.update(clean(field, [{name: value}], limits, budget)[0])
    return kept


def _look(field: str, name: str, value: Any) -> None:
    """Refuse names that are instructions, or that crash the learner.

    Raises:
        InvalidRequest: There is such a name.

    """
    lowered = name.lower()
    if lowered in _INSTRUCTIONS or lowered.startswith("_label"):
        raise InvalidRequest(field, "is a name that tells the learner's parser what to do, not a feature")
    if name.startswith("_"):
        return
    if isinstance(value, dict | list) and not name[:1].isascii():
        raise InvalidRequest(field, "is a namespace that does not begin with an ASCII character")
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            for inner, of_it in item.items():
                _look(f"{field}.{inner}", inner, of_it)


def _taken_out(slot: dict[str, Any]) -> Any:
    """Take what a slot may get out of its features, where Personalizer wrote it.

    Beside them, where we write it, it means the same.
    """
    found = [slot.pop("_inc")] if "_inc" in slot else []
    for value in slot.values():
        if isinstance(value, list):
            found += [item.pop("_inc") for item in value if isinstance(item, dict) and "_inc" in item]
    if len(found) > 1:
        raise InvalidRequest("c._slots", "say twice what a slot may get (_inc)")
    return found[0] if found else None


def _offered(body: bytes, ids: tuple[str, ...], included: list[Any], limits: Limits) -> CookedContext:
    every = tuple(range(len(ids)))
    if len(included) > min(limits.slots, len(ids)):
        raise InvalidRequest("c._slots", "are more than limits.slots allows, or than there are actions")
    offered: list[tuple[int, ...]] = []
    for at, positions in enumerate(included):
        if positions is None:
            offered.append(every)
            continue
        good = isinstance(positions, list) and all(type(one) is int and one in every for one in positions)
        if not good or not positions:
            raise InvalidRequest(f"c._slots[{at}]._inc", "must be a list of positions in _multi")
        offered.append(tuple(sorted(set(positions))))
    return CookedContext(body, ids, tuple(offered))


def _action_id(action: dict[str, Any], at: int) -> str:
    """Return an action's id: its tag, or the id among its features, or else its position."""
    if "_tag" in action:
        return action["_tag"]  # type: ignore[no-any-return]  # checked with the others
    identity = action.get("i")
    found = identity.get("id") if isinstance(identity, dict) else None
    return found if isinstance(found, str) and found else str(at)


def _object(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(field, f"must be an object (got {type(value).__name__})")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
