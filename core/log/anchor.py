"""Anchors: small notes of how a log ended at some time, kept elsewhere.

A chain shows that nothing inside it was changed, but not that its end was not cut off, or all of
it written anew. An anchor that is kept where the log's owner cannot reach shows that too.
"""

from collections.abc import Iterable, Iterator

import msgspec

from loopledger.audit.verification import Problem, Verification
from loopledger.errors import InvalidRequest
from loopledger.log.journal import Reader


class Anchor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a log ended once.

    Attributes:
        loop: The loop's name.
        seq: Its last event then.
        at: When that event came, UTC in microseconds since 1970.
        digest: That event's digest, in hexadecimal digits.

    """

    loop: str
    seq: int
    at: int
    digest: str


def anchor_of(verification: Verification) -> Anchor:
    """Return an anchor for a log as it was verified."""
    return Anchor(verification.loop, verification.head, verification.at, verification.digest)


def read_anchors(lines: Iterable[bytes]) -> list[Anchor]:
    """Return anchors from lines of JSON.

    Raises:
        InvalidRequest: A line is no anchor.

    """
    found: list[Anchor] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(msgspec.json.decode(line, type=Anchor))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InvalidRequest(
                    f"anchor, line {number}", f"is no anchor: {error}; give the file that verify wrote"
                ) from None
    return found


def missing(reader: Reader, anchors: Iterable[Anchor]) -> Iterator[Problem]:
    """Yield what anchors say that a log should hold and it does not."""
    for anchor in anchors:
        record = reader.record(anchor.seq)
        if record is None:
            end = reader.head().seq
            what = f"the log was cut off: an anchor knows event {anchor.seq}, and it ends with {end}"
            yield Problem(end + 1, what)
        elif (record.at, record.digest.hex()) != (anchor.at, anchor.digest):
            yield Problem(anchor.seq, f"event {anchor.seq} is another than an anchor knows: it was rewritten")
