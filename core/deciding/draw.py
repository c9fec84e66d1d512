"""The seeded draw: from an event id to the action it gets, the same on every machine.

This is the sampling of Microsoft's rlclientlib and of VowpalWabbit's own multi-slot learner
(`sample_after_normalizing` in explore_internal.h, `uniform_hash` in hash.h, `merand48` in
random_details.h), down to their 32-bit floats, so that decisions agree with theirs.

The draw has a resolution of 2**-23, and ids that hash alike draw alike.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable

_FLOAT32 = struct.Struct("<f")
_UINT32 = struct.Struct("<I")
_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF

RESOLUTION = 2.0**-23
"""The smallest step between two draws: what is less probable than this is never drawn on purpose."""


def float32(number: float) -> float:
    """Round to the nearest 32-bit float, which is what the learner computes with."""
    rounded: float = _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    return rounded


def float32s(numbers: list[float]) -> list[float]:
    """Round each to the nearest 32-bit float."""
    return array("f", numbers).tolist()


def uniform_hash(text: str) -> int:
    """Hash an id: MurmurHash3 x86 32-bit of its UTF-8 bytes, seed 0.

    Source: Austin Appleby, MurmurHash3 (public domain).
    """
    data = text.encode()
    length = len(data)
    whole = length >> 2
    h = 0
    for k in struct.unpack_from(f"<{whole}I", data):
        k = k * 0xCC9E2D51 & _MASK32  # noqa: PLW2901 - the reference's own names and steps
        k = (k << 15 | k >> 17) * 0x1B873593 & _MASK32  # noqa: PLW2901
        h ^= k
        h = ((h << 13 | h >> 19) & _MASK32) * 5 + 0xE6546B64 & _MASK32
    if length & 3:
        k = int.from_bytes(data[whole << 2 :], "little") * 0xCC9E2D51 & _MASK32
        h ^= (k << 15 | k >> 17) * 0x1B873593 & _MASK32
    h ^= length
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK32
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK32
    return h ^ h >> 16


def uniform(seed: int) -> float:
    """Return a number in [0, 1) from a seed: one step of a 64-bit generator, 23 bits of it.

    The seed of a decision is the sum of two hashes, its event id's and its loop id's, and is not
    cut to 32 bits: rlclientlib adds in 64 bits, and so must we. That of a slot is the hash of
    event id and slot id.
    """
    state = 0xEECE66D5DEECE66D * seed + 2147483647 & _MASK64
    number: float = _FLOAT32.unpack(_UINT32.pack(state >> 25 & 0x7FFFFF | 127 << 23))[0]
    return number - 1.0


def number_for(hash_id: Callable[[str], int], loop_seed: int, event_id: str) -> float:
    """Return the number that decides a decision of one action.

    Args:
        hash_id: `uniform_hash`, or the same in faster code.
        loop_seed: The hash of the loop's id.
        event_id: The decision's id.

    """
    return uniform(hash_id(event_id) + loop_seed)


def sample(probabilities: list[float], number: float) -> tuple[int, list[float]]:
    """Draw an index, and return it with the probabilities scaled to a sum of one.

    Args:
        probabilities: 32-bit floats, none negative, in ranked order.
        number: The uniform number that decides, in [0, 1).

    """
    running = array("f", (0.0,))  # adds as the reference does, in 32 bits
    cumulative: list[float] = []
    for probability in probabilities:
        running[0] += probability
        cumulative.append(running[0])
    total = cumulative[-1]
    if total == 0.0:
        return 0, [1.0, *probabilities[1:]]
    target = min(float32(total * number), total)
    index = min(bisect_right(cumulative, target), len(cumulative) - 1)
    if total == 1.0:
        return index, probabilities
    return index, array("f", [probability / total for probability in probabilities]).tolist()
