"""What repeats in the bodies of a loop's decisions: actions, mostly, and names and values of features.

A dictionary could be trained from samples, as Zstandard offers it; that cuts bodies into pieces
anywhere. Here pieces are whole JSON values: an action, a name, a feature with its value. Where
actions repeat that is as small or smaller, is made sooner, anybody can read what is in it, and it can
be told of every piece in which decisions it stands. So what stands in none any more, because they
were erased, can be taken out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import NamedTuple

import msgspec

_OFTEN = 4
"""In how many of the bodies a piece must stand."""

_LARGEST = 512 * 1024
"""The most bytes of a dictionary."""

_LONGEST = 64 * 1024
_SHORTEST = 4
_DEPTH = 4
_VALUES = 256

# Of a decision's own fields, those that say how the loop was set. They tell nothing of who asked.
_TERMS = (
    "kind", "model_version", "learning_mode", "deferred", "minimum_probability", "reward_wait",
    "default_reward", "reward_aggregation",
)  # fmt: skip

_NESTED = (b"{", b"[")
_EMPTY = {b'"': b'""', b"{": b"{}", b"[": b"[]"}

Known = Callable[[bytes], bool]
"""Tells whether a piece may stand in a dictionary."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def parts(body: bytes) -> set[bytes]:
    """Return the values in a body that may repeat in others, each as JSON.

    They are the decision's own fields, its actions as wholes, and names and values of the context's
    features and of the first action's.
    """
    return set(_parts(body))


def repeating(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the parts that several bodies have, in the order in which they came first."""
    counts: Counter[bytes] = Counter()
    for body in bodies:
        counts.update(list(dict.fromkeys(_parts(body))))
    found: list[bytes] = []
    room = _LARGEST
    often = {part: count for part, count in counts.items() if count >= _OFTEN}
    for part in sorted(often, key=lambda part: -often[part] * len(part)):
        if len(part) < room:
            room -= len(part) + 1
            found.append(part)
    kept = set(found)
    return [part for part in often if part in kept]


def content(found: Iterable[bytes], bodies: Sequence[bytes]) -> bytes:
    """Return a dictionary's content: pieces, and an outline of decisions with all their names and actions.

    Compressing finds long stretches in the outline, where without it each piece would be found by
    itself. It is of all the decisions together and has no values: what stood side by side in one of them
    cannot be seen in it.

    Args:
        found: What repeats.
        bodies: The decisions in which it does.

    """
    listed = list(found)
    return _content(listed, _outline(bodies, frozenset(listed).__contains__))


def pieces(content: bytes) -> list[bytes]:
    """Return the pieces that a dictionary was made of."""
    *found, outline = map(bytes, _array.decode(content))
    return [*found, *parts(outline)]


def without(content: bytes, gone: AbstractSet[bytes]) -> bytes:
    """Return a dictionary's content without some of its pieces."""
    *found, outline = map(bytes, _array.decode(content))

    def left(piece: bytes) -> bool:
        return piece not in gone

    return _content(filter(left, found), _outline([outline], left))


def _content(found: Iterable[bytes], outline: bytes) -> bytes:
    there = parts(outline)
    # Sorted: the order in which they came would tell what came together.
    return b"[" + b",".join([*sorted(piece for piece in found if piece not in there), outline]) + b"]"


class _Names(NamedTuple):
    """Names in objects, each with how its values are empty, and the names inside them."""

    empty: bytes
    inner: "dict[str, _Names]"


def _outline(bodies: Sequence[bytes], known: Known) -> bytes:
    """Return one decision that has the known names and actions of several."""
    arrays: dict[str, dict[bytes, None]] = {}
    names: dict[str, _Names] = {}
    fields: dict[str, msgspec.Raw] = {}
    for body in bodies:
        fields = _object.decode(body)
        context = _object.decode(fields.pop("context", msgspec.Raw(b"{}")))
        for name in ("_multi", "_slots"):
            if name in context:
                elements = map(bytes, _array.decode(context.pop(name)))
                arrays.setdefault(name, {}).update(dict.fromkeys(filter(known, elements)))
        _gather(context, names, _DEPTH)
    terms = {
        name: bytes(raw) if name in _TERMS else _EMPTY.get(bytes(raw)[:1], b"0")
        for name, raw in fields.items()
    }
    lists = {name: b"[" + b",".join(elements) + b"]" for name, elements in arrays.items()}
    return _written({**terms, "context": _written({**_emptied(names, known), **lists})})


def _gather(fields: Mapping[str, msgspec.Raw], names: dict[str, _Names], depth: int) -> None:
    for name, raw in fields.items():
        value = bytes(raw)
        kind = value[:1]
        entry = names.setdefault(name, _Names(_EMPTY.get(kind, b"0"), {}))
        if depth and kind in _NESTED:
            for inner in _array.decode(value) if kind == b"[" else (raw,):
                if bytes(inner)[:1] == b"{":
                    _gather(_object.decode(inner), entry.inner, depth - 1)


def _emptied(names: Mapping[str, _Names], known: Known) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, (kind, inner) in names.items():
        empty = kind
        if known(_written({name: empty})):
            left = _emptied(inner, known)
            if left and empty in {b"[]", b"{}"}:
                empty = b"[" + _written(left) + b"]" if empty == b"[]" else _written(left)
            found[name] = empty
    return found


def _written(fields: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join([_encode(name) + b":" + value for name, value in fields.items()]) + b"}"


def _parts(body: bytes) -> Iterator[bytes]:
    try:
        fields = _object.decode(body)
        context = _object.decode(fields.pop("context", msgspec.Raw(b"{}")))
        arrays = [_array.decode(context.pop(name)) for name in ("_multi", "_slots") if name in context]
        first = _object.decode(arrays[0][0]) if arrays and arrays[0] else {}
    except msgspec.DecodeError:
        return  # no decision: nothing of it is in a dictionary
    for name, raw in fields.items():
        if name not in _TERMS and _SHORTEST <= len(value := bytes(raw)) <= _LONGEST:
            yield value
    for array in arrays:
        yield from (value for raw in array if len(value := bytes(raw)) <= _LONGEST)
    yield from islice(chain(_pairs(context, _DEPTH), _pairs(first, _DEPTH)), _VALUES)


def _pairs(fields: Mapping[str, msgspec.Raw], depth: int) -> Iterator[bytes]:
    """Yield names, each with how its value begins, and names with their values, all as objects of one."""
    for name, raw in fields.items():
        value = bytes(raw)
        kind = value[:1]
        yield _written({name: _EMPTY.get(kind, b"0")})
        if _SHORTEST <= len(value) <= _LONGEST:
            yield _written({name: value})
        if depth and kind in _NESTED:
            for inner in _array.decode(value) if kind == b"[" else (raw,):
                if bytes(inner)[:1] == b"{":
                    yield from _pairs(_object.decode(inner), depth - 1)
