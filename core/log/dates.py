"""When things last happened in a loop: what a glance at it shows without reading the whole log."""

import msgspec

from loopledger.log.events import CONTROL, DECISIONS, VERSIONS
from loopledger.log.journal import Reader
from loopledger.log.remains import Gone
from loopledger.state import State, evolve

_CONFIGURING = ("LoopCreated", "PolicyChanged", "PolicyRestored", "RelearningBegun", "SettingsChanged")
_STRETCH = 512


class Dates(msgspec.Struct, frozen=True):
    """When things happened, each UTC in microseconds since 1970; none if they never did.

    Attributes:
        first: The first decision that was not erased.
        last: The last one.
        made: When the model was made that is published now.
        published: Since when it has been.
        configured: When settings or policy were set last.

    """

    first: int | None
    last: int | None
    made: int | None
    published: int | None
    configured: int | None


def dates(reader: Reader) -> Dates:
    """Return when things happened in a log."""
    made: dict[int, int] = {}
    published = configured = None
    state: State | None = None
    for record in reader.records(kinds=CONTROL):
        before = state.published if state else 0
        state = evolve(state, record)
        if record.kind in VERSIONS:
            made[state.versions] = record.at
        if record.kind in _CONFIGURING:
            configured = record.at
        if state.published != before:
            published = record.at
    version = state.published if state else 0
    gone = Gone(reader)
    return Dates(
        _first(reader, gone),
        _last(reader, gone),
        made.get(version),
        published if version else None,
        configured,
    )


def _first(reader: Reader, gone: Gone) -> int | None:
    seq = 0
    while True:
        record = next(reader.records(first=seq + 1, kinds=DECISIONS), None)
        if record is None:
            return None
        if not record.erased:
            return record.at
        seq = gone.last_of(record.seq)


def _last(reader: Reader, gone: Gone) -> int | None:
    until = reader.head().seq
    while until > 0:
        stretch = list(reader.records(max(1, until - _STRETCH + 1), until))
        for record in reversed(stretch):
            if record.kind in DECISIONS and not record.erased:
                return record.at
        until = min(until - _STRETCH, gone.first_of(stretch[0].seq) - 1)
    return None
