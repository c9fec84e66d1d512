"""What the loop needs of the place where its log is kept.

`adapters/sqlite` keeps it on disk, `adapters/memory.py` in memory; one conformance suite runs on
both.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from loopledger.log.chain import Head, Record
from loopledger.log.events import DecisionKind, Run


class Outcome(NamedTuple):
    """A reward or an activation, as the log has it."""

    seq: int
    at: int
    kind: str
    body: bytes


class Traced(NamedTuple):
    """A decision with everything that was ever logged under its event id, in log order."""

    seq: int
    at: int
    event_id: str
    body: bytes
    outcomes: list[Outcome]


class Span(NamedTuple):
    """A contiguous range of decisions: the first and last seq, and how many there are."""

    first: int
    last: int
    decisions: int


class Reader(Protocol):
    """Reads a log; it sees what was committed and never blocks the writer."""

    def head(self) -> Head:
        """Return the end of the log as its events have it."""
        ...

    def committed(self) -> Head:
        """Return the end of the log as the writer last committed it; `at` is not kept there."""
        ...

    def end(self, seq: int) -> Head | None:
        """Return the end of the log as it was after an event, taken as it is stored."""
        ...

    def record(self, seq: int) -> Record | None:
        """Return the event at a place in the log.

        Raises:
            LogDamaged: It does not follow the one before it. All that return events raise this.

        """
        ...

    def records(
        self,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
    ) -> Iterator[Record]:
        """Yield events in log order, a few at a time, of some kinds or of one event id only."""
        ...

    def stored(self, first: int, last: int, kinds: Sequence[str] | None = None) -> Iterator[Record]:
        """Yield events as they are stored, for verifying, which checks the chain itself."""
        ...

    def tail(self, count: int) -> list[Record]:
        """Return the last events in log order, at most so many."""
        ...

    def nth(self, kinds: Sequence[str], number: int) -> Record | None:
        """Return the event that is the so-manyth of these kinds, counted from 1."""
        ...

    def last_until(self, at: int) -> int:
        """Return the seq of the last event no later than a time; 0 when there is none."""
        ...

    def span(self, kind: DecisionKind, after: int, until: int, most: int) -> Span | None:
        """Return the first decisions of a kind after one seq and up to another, at most so many."""
        ...

    def traced(self, kind: DecisionKind, first: int, last: int) -> Iterator[Traced]:
        """Yield the decisions of a kind between two seqs, each with its outcomes, a few at a time.

        What was erased is left out.
        """
        ...

    def decisions(self, event_ids: Sequence[str]) -> dict[str, Record]:
        """Return the decisions that some event ids name."""
        ...

    def counts(self, after: int = 0) -> dict[str, int]:
        """Return how many events of each kind come after a seq."""
        ...

    def unindexed(self, first: int, last: int) -> int | None:
        """Return the first event between two seqs that could not be found by its kind or its event id."""
        ...

    def size(self) -> int:
        """Return how many bytes the log takes on disk; 0 where it is kept in memory."""
        ...

    def faults(self, *, deep: bool) -> list[str]:
        """Return what is wrong with the store itself, such as rules or indexes that were tampered with.

        Args:
            deep: Whether to read all of it.

        """
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...


class Journal(Reader, Protocol):
    """A log and the right to write to it: there is one at a time."""

    def compress(self, on: bool) -> None:
        """Say whether decisions are compressed from here on; what is in the log stays as it is.

        How a body is stored is no part of the log: whoever reads gets the same events. A store for
        which it makes no difference does nothing.
        """
        ...

    def append(self, records: Sequence[Record], erased: Sequence[Run] = ()) -> None:
        """Make the records durable, all or none; they are when this returns.

        Args:
            records: What comes next in the log.
            erased: First and last seqs of stretches in which every body of a decision, reward or
                activation is overwritten with its hash, in the same transaction.

        Raises:
            LoopInUse: Another writer has taken over.
            Exception: Whatever the store failed with. Whether the records are in the log is then
                unknown until it is opened again.

        """
        ...


class Store(Protocol):
    """The place of one loop's log."""

    def writer(self) -> Journal:
        """Open the log for writing.

        Raises:
            LoopInUse: Somebody else has.
            LogDamaged: Its end is not what was committed.

        """
        ...

    def reader(self) -> Reader:
        """Open the log for reading, from any thread; each thread needs its own."""
        ...
