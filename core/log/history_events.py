"""The bodies of the log's events about history that was brought from elsewhere."""

import msgspec

from loopledger.log.event import Event


class HistoryFile(msgspec.Struct, frozen=True):
    """A file that history was imported from.

    Attributes:
        name: Its name, without its folder.
        sha256: Of its bytes, in hexadecimal digits.
        lines: How many it has.

    """

    name: str
    sha256: str
    lines: int


class HistoryImported(Event, frozen=True):
    """What came before in the log was brought from elsewhere.

    Attributes:
        files: In their order.
        decisions: How many were brought.
        left_out: Lines that were not, refused or repeated.

    """

    files: tuple[HistoryFile, ...]
    decisions: int
    left_out: int
