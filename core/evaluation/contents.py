"""What a context holds as the model sees it: namespaces with their features."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

Item = tuple[str | None, Any]
"""A feature's name and value; no name stands for an array, whose numbers have only places."""

Group = tuple[str, tuple[Item, ...]]
"""A namespace with those of its features that are there."""

_SHORT = 4096
"""Bytes of an action whose features are remembered: the same actions come again and again."""

_OWN = ("i", "constant")
"""A feature that every action has, by Personalizer's layout; it is nobody's."""

_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Contents(NamedTuple):
    """What a context holds.

    Attributes:
        shared: What is the same for all actions.
        actions: Of each action.
        slots: Of each slot, if there are any.

    """

    shared: tuple[Group, ...]
    actions: list[tuple[Group, ...]]
    slots: list[tuple[Group, ...]]


def contents(context: bytes) -> Contents:
    """Return what a context holds.

    Features that the model does not see are left out: null, false, and the number 0, as well as
    names that begin with an underscore.
    """
    top = _top.decode(context)
    return Contents(
        _groups({name: msgspec.json.decode(raw) for name, raw in top.items() if not name.startswith("_")}),
        [_remembered(bytes(raw)) for raw in _several(top, "_multi")],
        [_remembered(bytes(raw)) for raw in _several(top, "_slots")],
    )


def spelt(namespace: str, item: Item) -> Iterator[str]:
    """Yield how explanations of a model call a feature (`loopledger.learning.learner.Weight`)."""
    name, value = item
    if name is None:
        yield from (f"{namespace}.[{place}]" for place in range(len(value)))
    else:
        yield f"{namespace}.{name}={value}" if isinstance(value, str) else f"{namespace}.{name}"


def _several(top: dict[str, msgspec.Raw], name: str) -> list[msgspec.Raw]:
    return _list.decode(top[name]) if name in top else []


def _remembered(raw: bytes) -> tuple[Group, ...]:
    return _of_short(raw) if len(raw) <= _SHORT else _of(raw)


def _of(raw: bytes) -> tuple[Group, ...]:
    return _groups(msgspec.json.decode(raw))


_of_short = lru_cache(maxsize=4096)(_of)


def _groups(example: dict[str, Any]) -> tuple[Group, ...]:
    found: dict[str, list[Item]] = {}
    for namespace, value in example.items():
        if not namespace.startswith("_"):
            for part in value if _is_list_of_objects(value) else [value]:
                _collect(namespace, part, found)
    return tuple((namespace, tuple(items)) for namespace, items in found.items() if items)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _collect(namespace: str, value: Any, found: dict[str, list[Item]]) -> None:
    """Take in an object or an array that stands for a namespace; objects inside it are namespaces too."""
    if isinstance(value, list):
        if any(value):
            found.setdefault(namespace, []).append((None, tuple(value)))
        return
    if not isinstance(value, dict):
        return
    for name, one in value.items():
        if name.startswith("_") or (namespace, name) == _OWN:
            continue
        if isinstance(one, dict | list):
            _collect(name, one, found)
        elif isinstance(one, str) or one:
            found.setdefault(namespace, []).append((name, one))
