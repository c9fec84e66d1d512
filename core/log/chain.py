"""The chain of digests: every event is tied to all that came before it.

An event's digest is SHA-256(previous digest, header, SHA-256(body's JSON)), where the header is
the JSON array ``[seq, at, kind, event_id]`` and the digest before the first event is 32 zero
bytes. The body enters as its hash only, so that a body can be erased and the chain still holds.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from loopledger.errors import LogDamaged
from loopledger.log.event import Event
from loopledger.log.events import encode

GENESIS = bytes(32)
"""The digest before the first event."""

_encode_header = msgspec.json.Encoder().encode


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row of a log.

    Attributes:
        seq: Its place, gapless from 1.
        at: UTC in microseconds since 1970, never less than that of the event before.
        kind: What happened.
        event_id: The caller's id of the decision it belongs to, if any.
        body: The event as JSON; empty if it was erased.
        digest: Ties it to everything before it, 32 bytes.
        body_sha256: Of the body that was erased, 32 bytes; none if it was not.

    """

    seq: int
    at: int
    kind: str
    event_id: str | None
    body: bytes
    digest: bytes
    body_sha256: bytes | None = None

    @property
    def erased(self) -> bool:
        """Whether its body is gone."""
        return self.body_sha256 is not None


class Head(msgspec.Struct, frozen=True, gc=False):
    """How far a log goes; an empty one goes to ``Head()``."""

    seq: int = 0
    at: int = 0
    digest: bytes = GENESIS


def head_of(record: Record) -> Head:
    """Return how far a log goes that ends with this record."""
    return Head(record.seq, record.at, record.digest)


def seal(head: Head, at: int, event: Event, event_id: str | None = None) -> Record:
    """Return the record of an event that comes next.

    Args:
        head: The end of the log so far.
        at: When it happened; a time before the log's last is moved up to it.
        event: What happened.
        event_id: The decision it belongs to, if any.

    """
    seq = head.seq + 1
    at = max(at, head.at)
    kind = event.kind
    body = encode(event)
    digest = _digest(head.digest, seq, at, kind, event_id, body_hash(body))
    return Record(seq, at, kind, event_id, body, digest)


def check(records: Iterable[Record], head: Head) -> Iterator[Record]:
    """Pass records on as long as they hold together.

    Args:
        records: Consecutive records.
        head: The end of the log before the first of them.

    Raises:
        LogDamaged: Names the first that was changed, moved, or is missing.

    """
    for record in records:
        if record.seq != head.seq + 1:
            raise LogDamaged(f"event {head.seq + 1} is missing: event {record.seq} follows", head.seq + 1)
        if record.at < head.at:
            raise LogDamaged(f"event {record.seq} is dated before the one it follows", record.seq)
        yield follow(record, head.digest)
        head = head_of(record)


def follow(record: Record, previous: Any) -> Record:
    """Return a record that follows the event with a digest.

    Args:
        record: The record, as it was stored: its fields may be anything.
        previous: The digest of the event before it; none if there is no such event.

    Raises:
        LogDamaged: The record was changed or moved, or the event before it was, or is missing.

    """
    if previous is None:
        raise LogDamaged(
            f"event {record.seq - 1} is missing: event {record.seq} follows", max(record.seq - 1, 1)
        )
    header = (record.seq, record.at, record.kind, record.event_id)
    # They may be anything where a database was damaged.
    body: Any = record.body
    hashed: Any = record.body_sha256 or (body_hash(body) if isinstance(body, bytes) else None)
    whole = isinstance(previous, bytes) and isinstance(hashed, bytes)
    if not whole or record.digest != _digest(previous, *header, hashed):
        raise LogDamaged(f"event {record.seq} ({record.kind}) is not what was recorded", record.seq)
    return record


def check_end(head: Head, committed: Head) -> None:
    """Refuse a log that does not end where its writer left it.

    Args:
        head: The end of the log as its events have it.
        committed: The same as the writer noted it.

    Raises:
        LogDamaged: Names the event at which they part.

    """
    if head.seq < committed.seq:
        raise LogDamaged(
            f"the log was cut off: it ends with event {head.seq}, and {committed.seq} were committed",
            head.seq + 1,
        )
    if (head.seq, head.digest) != (committed.seq, committed.digest):
        raise LogDamaged(f"event {head.seq} is not the last that was committed", head.seq)


def _digest(previous: bytes, seq: int, at: int, kind: str, event_id: str | None, hashed: bytes) -> bytes:
    header = _encode_header((seq, at, kind, event_id))
    return sha256(b"".join((previous, header, hashed))).digest()


_PIECE = 2047


def body_hash(body: bytes) -> bytes:
    """Return SHA-256 of a body, in pieces small enough for hashlib to keep the interpreter's lock.

    For more than that it lets the lock go, and under load getting it back takes far longer than
    the hash.
    """
    if len(body) <= _PIECE:
        return sha256(body).digest()
    digest = sha256()
    for start in range(0, len(body), _PIECE):
        digest.update(body[start : start + _PIECE])
    return digest.digest()
