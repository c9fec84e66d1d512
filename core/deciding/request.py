"""What callers send to Rank: actions, slots and their features, checked before anything else sees them."""

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any, SupportsIndex, TypeVar

import msgspec
from msgspec.structs import replace

from loopledger.errors import InvalidRequest
from loopledger.settings import Limits

Features = Mapping[str, Any] | Sequence[Mapping[str, Any]] | msgspec.Raw | None
"""Features as callers give them: an object, a list of objects, either of them as JSON, or nothing."""


class Action(msgspec.Struct, frozen=True):
    """Something that can be chosen.

    Attributes:
        id: Its name, unique in the request.
        features: What is known of it.

    """

    id: str
    features: Features = None


class Slot(msgspec.Struct, frozen=True):
    """A place for which one action is chosen.

    Attributes:
        id: Its name, unique in the request.
        features: What is known of it.
        excluded: Ids of actions that may not be chosen for it.
        baseline: The id of the action that the caller would show there; by default the first
            that is neither excluded nor the baseline of an earlier slot.

    """

    id: str
    features: Features = None
    excluded: Sequence[str] = ()
    baseline: str | None = None


Actions = Mapping[str, Features] | Iterable[Action | Mapping[str, Any]]
"""Actions as callers give them: ids with their features, or `Action` objects."""

Slots = Iterable[Slot | Mapping[str, Any]]
"""Slots as callers give them: `Slot` objects or objects of the same shape."""


_Shape = TypeVar("_Shape", Action, Slot)


class SlotTerms(msgspec.Struct, frozen=True):
    """What a checked request says of one slot, apart from its features.

    Attributes:
        id: The slot's id.
        baseline: Position of the caller's own choice among the actions.
        excluded: Ids of actions not offered.
        offered: Positions of the actions that are.

    """

    id: str
    baseline: int
    excluded: tuple[str, ...]
    offered: tuple[int, ...]


def read_actions(actions: Actions, limits: Limits) -> tuple[tuple[str, ...], list[Features]]:
    """Return the ids of a request's actions, checked, and their features.

    Raises:
        InvalidRequest: Names the action at fault.

    """
    ids, features = _ids_and_features(actions)
    return check_actions(ids, limits), features


def _ids_and_features(actions: object) -> tuple[tuple[str, ...], list[Features]]:
    if isinstance(actions, Mapping):
        return tuple(actions), list(actions.values())
    if isinstance(actions, Iterable) and not isinstance(actions, str | bytes):
        listed = [_read(Action, f"actions[{position}]", action) for position, action in enumerate(actions)]
        return tuple([action.id for action in listed]), [action.features for action in listed]
    raise InvalidRequest("actions", f"must be a list or an object (got {type(actions).__name__})")


def whole_number(field: str, value: object) -> int:
    """Return a whole number as Python's own.

    Raises:
        InvalidRequest: It is something else.

    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise InvalidRequest(field, f"must be a whole number (got {type(value).__name__})")
    return index(value)


def check_actions(ids: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """Return the ids of a request's actions if they can be such.

    Raises:
        InvalidRequest: There are none or too many, or one of them cannot be used.

    """
    check_count(ids, limits)
    check_ids("actions[{}].id", ids, limits)
    return ids if {*map(type, ids)} == {str} else tuple(map(_plain, ids))


def check_count(actions: Sequence[object], limits: Limits) -> None:
    """Refuse no actions, or too many.

    Raises:
        InvalidRequest: Says how many may be.

    """
    if not 0 < len(actions) <= limits.actions:
        raise InvalidRequest(
            "actions", f"must be 1 to {limits.actions}, as limits.actions says (got {len(actions)})"
        )


def check_ids(field: str, ids: Sequence[object], limits: Limits) -> None:
    """Refuse what cannot be ids, or would be two of a kind.

    Args:
        field: The field's path; ``{}`` in it stands for the position.
        ids: The would-be ids.
        limits: How long they may be.

    Raises:
        InvalidRequest: Names the id at fault.

    """
    if _look_fine(ids, limits.id_length):
        return
    seen: set[object] = set()
    for position, name in enumerate(ids):
        check_id(field.format(position), name, limits)
        if name in seen:
            raise InvalidRequest(field.format(position), "is used twice: an answer could not tell them apart")
        seen.add(name)


def _look_fine(ids: Sequence[Any], longest: int) -> bool:
    """Tell quickly whether all ids are fine; if not, somebody has to look for the one that is not."""
    try:
        together = "".join(ids)
    except TypeError:
        return False
    short = len(together) <= longest or max(map(len, ids)) <= longest
    return short and together.isprintable() and "" not in ids and len(set(ids)) == len(ids)


def read_slots(slots: Slots, ids: Sequence[str], limits: Limits) -> list[tuple[Slot, SlotTerms]]:
    """Return the slots of a request with their terms.

    Raises:
        InvalidRequest: Names the slot at fault.

    """
    listed = _listed_slots(slots)
    most = min(limits.slots, len(ids))
    if not 0 < len(listed) <= most:
        raise InvalidRequest(
            "slots", f"must be 1 to {most}, and no more than the actions (got {len(listed)})"
        )
    check_ids("slots[{}].id", [slot.id for slot in listed], limits)
    listed = [slot if type(slot.id) is str else replace(slot, id=_plain(slot.id)) for slot in listed]
    read: list[tuple[Slot, SlotTerms]] = []
    taken: set[str] = set()
    for position, slot in enumerate(listed):
        terms = _terms(f"slots[{position}]", position, slot, ids, taken)
        taken.add(ids[terms.baseline])
        read.append((slot, terms))
    return read


def _listed_slots(slots: object) -> list[Slot]:
    if not isinstance(slots, Iterable) or isinstance(slots, str | bytes | Mapping):
        raise InvalidRequest("slots", f"must be a list (got {type(slots).__name__})")
    return [_read(Slot, f"slots[{position}]", slot) for position, slot in enumerate(slots)]


ANY_ID = Limits(id_length=4096)
"""Ids as long as any loop may allow."""


def check_id(field: str, value: object, limits: Limits) -> str:
    """Return an id, as a plain string, if it can be one.

    Raises:
        InvalidRequest: It is not a string of acceptable length and characters.

    """
    if not isinstance(value, str):
        raise InvalidRequest(field, f"must be a string (got {type(value).__name__})")
    if not 0 < len(value) <= limits.id_length:
        raise InvalidRequest(field, f"must have 1 to {limits.id_length} characters (got {len(value)})")
    if not value.isprintable():
        _check_characters(field, value)
    return _plain(value)


def _plain(text: str) -> str:
    """Return a string without the class that it came in, an enumeration's for example: the log has none."""
    return text if type(text) is str else str.__str__(text)


def listed_ids(field: str, values: object) -> list[str]:
    """Return event ids that some loop may hold, each once.

    Raises:
        InvalidRequest: It is no list, or one of them cannot be an id.

    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidRequest(field, f"must be a list of event ids (got {type(values).__name__})")
    return list(dict.fromkeys(check_id(field, value, ANY_ID) for value in values))


def check_excluded(field: str, excluded: object, ids: Sequence[str]) -> tuple[str, ...]:
    """Return the excluded ids, each of which must be an action's, and not all of them.

    Raises:
        InvalidRequest: An id is unknown, or nothing would be left.

    """
    if isinstance(excluded, str | bytes) or not isinstance(excluded, Iterable):
        raise InvalidRequest(field, f"must be a list of action ids (got {type(excluded).__name__})")
    listed = list(excluded)
    for name in listed:
        if name not in ids:
            raise InvalidRequest(field, "names an action that is not in the request")
    named = tuple(map(_plain, dict.fromkeys(listed)))
    if len(named) == len(ids):
        raise InvalidRequest(field, "excludes every action: leave at least one to choose")
    return named


def _read(shape: type[_Shape], field: str, value: object) -> _Shape:
    if isinstance(value, shape):
        return value
    names = shape.__struct_fields__
    if isinstance(value, Mapping) and "id" in value and not set(value) - set(names):
        return shape(**value)
    raise InvalidRequest(
        field, f"must be {shape.__name__}(...) or an object with id and, if wanted, {', '.join(names[1:])}"
    )


def check_unicode(field: str, value: str) -> None:
    """Refuse a string that no file can hold.

    Raises:
        InvalidRequest: It holds half a surrogate pair.

    """
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(field, "must be valid Unicode (it holds half a surrogate pair)") from None


def _check_characters(field: str, value: str) -> None:
    check_unicode(field, value)
    if any(ord(character) < 32 or ord(character) == 127 for character in value):  # noqa: PLR2004 - ASCII
        raise InvalidRequest(field, "must not hold control characters")


def _terms(field: str, position: int, slot: Slot, ids: Sequence[str], taken: set[str]) -> SlotTerms:
    excluded = check_excluded(f"{field}.excluded", slot.excluded, ids)
    offered = tuple(index for index, name in enumerate(ids) if name not in excluded)
    if len(offered) <= position:
        raise InvalidRequest(
            f"{field}.excluded",
            f"leaves {len(offered)} actions, and earlier slots may take {position}: leave at least one more",
        )
    baseline = slot.baseline
    if baseline is None:
        free = [name for name in ids if name not in excluded and name not in taken]
        if not free:
            raise InvalidRequest(f"{field}.baseline", "must be given: no action is left to guess it from")
        baseline = free[0]
    if baseline not in ids:
        raise InvalidRequest(f"{field}.baseline", "names an action that is not in the request")
    if baseline in excluded:
        raise InvalidRequest(f"{field}.baseline", "is excluded from its own slot")
    if baseline in taken:
        raise InvalidRequest(f"{field}.baseline", "is the baseline of an earlier slot already")
    return SlotTerms(slot.id, list(ids).index(baseline), excluded, offered)
