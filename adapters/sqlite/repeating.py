"""What repeats in the bodies of a loop's decisions: actions, mostly, and names and values of features.

A dictionary could be trained from samples, as Zstandard offers it; that cuts bodies into pieces
anywhere. Here pieces are whole JSON values: an action, a name, a feature with its value. Where
actions repeat it compresses twice to four times as well, is made in a tenth of the time, anybody can
read what is in it, and it can be told of every piece in which decisions it stands. So what
stands in none any more, because they were erased, can be taken out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

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
        counts.update(dict.fromkeys(_parts(body)))
    found: list[bytes] = []
    room = _LARGEST
    often = {part: count for part, count in counts.items() if count >= _OFTEN}
    for part in sorted(often, key=lambda part: -often[part] * len(part)):
        if len(part) < room:
            room -= len(part) + 1
            found.append(part)
    kept = set(found)
    return [part for part in often if part in kept]


def content(pieces: Iterable[bytes], body: bytes) -> bytes:
    """Return a dictionary's content: an outline of a decision, and the pieces.

    Args:
        pieces: What repeats.
        body: A decision; its fields that name nobody are taken over.

    """
    fields = _object.decode(body)
    outline = {name: fields[name] if name in _TERMS else b"" for name in fields}
    filled = b",".join(_encode(name) + b":" + (bytes(raw) or b"[]") for name, raw in outline.items())
    return b"[" + b",".join([b"{" + filled + b"}", *pieces]) + b"]"


def pieces(content: bytes) -> tuple[bytes, list[bytes]]:
    """Return the outline and the pieces that a dictionary was made of."""
    outline, *found = map(bytes, _array.decode(content))
    return outline, found


def without(content: bytes, gone: set[bytes]) -> bytes:
    """Return a dictionary's content without some of its pieces."""
    outline, found = pieces(content)
    return b"[" + b",".join([outline, *(piece for piece in found if piece not in gone)]) + b"]"


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
    for name, raw in fields.items():
        key, value = _encode(name), bytes(raw)
        yield key
        if _SHORTEST <= len(value) <= _LONGEST:
            yield b"{" + key + b":" + value + b"}"
        if depth and value[:1] == b"{":
            yield from _pairs(_object.decode(value), depth - 1)
