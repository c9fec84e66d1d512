"""How bodies are stored: as JSON, as the hash of what was erased, or compressed.

A log is plain JSON unless its settings say otherwise: whoever has a SQLite shell can read it. With
`compression` on, the whole body of a decision is compressed. Compressing its context alone would
leave the rest readable, and save far less: ids, order and probabilities of 50 actions are 2 KB of
JSON, thirty times what the whole body comes to.

A compressed body (codec 2) begins with the number of the dictionary that it needs, or 0, and the
length of the JSON, in four bytes each, the greatest first. A frame of Zstandard follows. The chain
is over the JSON, so what cannot be brought back exactly is found, whatever was damaged.
"""

import struct
import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from loopledger.errors import LogDamaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PLAIN = 0
"""The codec of a body that is JSON."""

ERASED = 1
"""The codec of a body that is gone: what is stored is its SHA-256."""

COMPRESSED = 2
"""The codec of a body that is compressed."""

# Level 1 loses sight of what is far back in a large dictionary; from 4 on the time doubles for a few bytes.
_LEVEL = 3
_LEAST = 200
_LARGEST = 256 * 1_048_576
_BEGINNING = struct.Struct(">II")


class Dictionary(NamedTuple):
    """What repeats in bodies, as the log keeps it.

    Attributes:
        number: By which bodies name it.
        since: Everything in it stands in decisions from this seq on.
        first: No event before this seq is compressed with it.
        content: Pieces of bodies, a JSON array.
        sha256: Of the content.

    """

    number: int
    since: int
    first: int
    content: bytes
    sha256: bytes

    def whole(self) -> bool:
        """Tell whether the content is what was stored."""
        return self.sha256 == sha256(self.content or b"").digest()


class Compressor:
    """Compresses bodies with one dictionary, or with none.

    Args:
        number: The dictionary's.
        content: What is in it; nothing for number 0.

    """

    def __init__(self, number: int = 0, content: bytes = b"") -> None:
        self.number = number
        known = zstd.ZstdDict(content, is_raw=True).as_digested_dict if content else None
        options: dict[int, int] = {zstd.CompressionParameter.compression_level: _LEVEL}
        self._compressor = zstd.ZstdCompressor(options=options, zstd_dict=known)

    def stored(self, body: bytes) -> tuple[int, bytes]:
        """Return a body's codec and what is stored of it: itself where that is shorter."""
        if len(body) >= _LEAST:
            frame = self._compressor.compress(body, zstd.ZstdCompressor.FLUSH_FRAME)
            if len(frame) + _BEGINNING.size < len(body):
                return COMPRESSED, _BEGINNING.pack(self.number, len(body)) + frame
        return PLAIN, body

    def size(self, bodies: Iterable[bytes]) -> int:
        """Return how many bytes some bodies come to."""
        return sum(len(self.stored(body)[1]) for body in bodies)


class Bodies:
    """Reads stored bodies, and knows the dictionaries that were needed so far."""

    def __init__(self) -> None:
        self._known: dict[int, zstd.ZstdDict | None] = {}

    def unknown(self, stored: Iterable[tuple[int, Any]]) -> set[int]:
        """Return the numbers of dictionaries that have to be learned before some bodies can be read."""
        needed = {number_of(body) for codec, body in stored if codec == COMPRESSED}
        return needed - self._known.keys() - {0} if needed else needed

    def learn(self, number: int, row: Sequence[Any] | None) -> None:
        """Take a dictionary as it was found; none if it is missing."""
        found = Dictionary(*row) if row else None
        whole = found is not None and found.whole()
        self._known[number] = zstd.ZstdDict(found.content, is_raw=True) if found and whole else None

    def body(self, codec: int, stored: bytes, seq: int) -> bytes:
        """Return a body's JSON from what is stored.

        Raises:
            LogDamaged: It is stored in a way that this release does not know, or it or its
                dictionary is not what was stored.

        """
        if codec == PLAIN:
            return stored
        if codec != COMPRESSED:
            raise LogDamaged(
                f"event {seq} is stored with codec {codec}, which this release does not know", seq
            )
        number = number_of(stored)
        known = self._known.get(number)
        if number and known is None:
            raise LogDamaged(
                f"event {seq} cannot be read: dictionary {number}, with which it is compressed, is missing "
                "or not what was stored",
                seq,
            )
        body = _decompressed(stored, known)
        if body is None:
            raise LogDamaged(f"event {seq} is not what was recorded: it cannot be decompressed", seq)
        return body


def number_of(stored: Any) -> int:
    """Return the number of the dictionary that a compressed body needs; 0 where it is damaged."""
    return int.from_bytes(stored[:4], "big") if isinstance(stored, bytes) else 0


def _decompressed(stored: Any, known: zstd.ZstdDict | None) -> bytes | None:
    if not isinstance(stored, bytes) or len(stored) <= _BEGINNING.size:
        return None
    _, length = _BEGINNING.unpack_from(stored)
    if length > _LARGEST:
        return None
    decompressor = zstd.ZstdDecompressor(zstd_dict=known)
    try:
        # One byte more than there should be: what has no end is noticed, and not read.
        body = decompressor.decompress(stored[_BEGINNING.size :], max_length=length + 1)
    except zstd.ZstdError:
        return None
    whole = decompressor.eof and not decompressor.unused_data and len(body) == length
    return body if whole else None
