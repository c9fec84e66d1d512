"""The event store in memory, for tests and for loops that need not outlive their program."""

from collections.abc import Iterator, Sequence
from threading import Lock

from msgspec.structs import replace

from loopledger.errors import LoopInUse
from loopledger.log.chain import Head, Record, body_hash, head_of
from loopledger.log.events import OUTCOMES, TRAFFIC, DecisionKind, Run
from loopledger.log.journal import Outcome, Span, Traced


class MemoryStore:
    """Keeps one loop's log in memory; see `loopledger.log.journal.Store`."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.by_event_id: dict[str, list[Record]] = {}
        self.owned = Lock()
        self.epoch = 0

    def writer(self) -> "MemoryJournal":
        """Return the log for writing.

        Raises:
            LoopInUse: Somebody else writes.

        """
        if not self.owned.acquire(blocking=False):
            raise LoopInUse("another writer has this loop open")
        self.epoch += 1
        return MemoryJournal(self)

    def reader(self) -> "MemoryReader":
        """Return the log for reading."""
        return MemoryReader(self)


class MemoryReader:
    """Reads a log in memory; see `loopledger.log.journal.Reader`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def head(self) -> Head:
        """Return the end of the log."""
        records = self._store.records
        return head_of(records[-1]) if records else Head()

    def committed(self) -> Head:
        """Return the end of the log: in memory nothing can be lost in between."""
        head = self.head()
        return Head(head.seq, 0, head.digest)

    def end(self, seq: int) -> Head | None:
        """Return the end of the log as it was after an event."""
        record = self.record(seq)
        return head_of(record) if record else None

    def record(self, seq: int) -> Record | None:
        """Return the event at a place in the log."""
        return self._store.records[seq - 1] if 0 < seq <= len(self._store.records) else None

    def records(
        self,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
    ) -> Iterator[Record]:
        """Yield events in log order, of some kinds or of one event id only."""
        chosen = self._store.records if event_id is None else self._store.by_event_id.get(event_id, [])
        for record in list(chosen):
            wanted = record.seq >= first and (last is None or record.seq <= last)
            if wanted and (kinds is None or record.kind in kinds):
                yield record

    def stored(self, first: int, last: int, kinds: Sequence[str] | None = None) -> Iterator[Record]:
        """Yield events as they are stored."""
        return self.records(first, last, kinds)

    def tail(self, count: int) -> list[Record]:
        """Return the last events in log order."""
        return self._store.records[-count:]

    def nth(self, kinds: Sequence[str], number: int) -> Record | None:
        """Return the event that is the so-manyth of these kinds, counted from 1."""
        for place, record in enumerate(self.records(kinds=kinds), start=1):
            if place == number:
                return record
        return None

    def last_until(self, at: int) -> int:
        """Return the seq of the last event no later than a time; 0 when there is none."""
        return sum(record.at <= at for record in self._store.records)

    def span(self, kind: DecisionKind, after: int, until: int, most: int) -> Span | None:
        """Return the first decisions of a kind after one seq and up to another."""
        seqs = [record.seq for record in self.records(after + 1, until, (kind,))][:most]
        return Span(seqs[0], seqs[-1], len(seqs)) if seqs else None

    def traced(self, kind: DecisionKind, first: int, last: int) -> Iterator[Traced]:
        """Yield the decisions of a kind between two seqs, each with its outcomes."""
        for record in self.records(first, last, (kind,)):
            if record.event_id is not None and not record.erased:
                outcomes = [
                    Outcome(outcome.seq, outcome.at, outcome.kind, outcome.body)
                    for outcome in self.records(kinds=OUTCOMES, event_id=record.event_id)
                    if not outcome.erased
                ]
                yield Traced(record.seq, record.at, record.event_id, record.body, outcomes)

    def decisions(self, event_ids: Sequence[str]) -> dict[str, Record]:
        """Return the decisions that some event ids name."""
        return {
            event_id: record
            for event_id in event_ids
            for record in self.records(kinds=("Ranked", "SlotsRanked"), event_id=event_id)
        }

    def counts(self, after: int = 0) -> dict[str, int]:
        """Return how many events of each kind come after a seq."""
        counts: dict[str, int] = {}
        for record in self._store.records[after:]:
            counts[record.kind] = counts.get(record.kind, 0) + 1
        return counts

    def unindexed(self, first: int, last: int) -> int | None:  # noqa: ARG002 - the protocol's
        """Return the first event that an index does not know: there is none."""
        return None

    def size(self) -> int:
        """Return how many bytes the log takes on disk: none."""
        return 0

    def faults(self, *, deep: bool) -> list[str]:  # noqa: ARG002 - the protocol's
        """Return what is wrong with the store itself: nothing can be."""
        return []

    def close(self) -> None:
        """Do nothing: the log stays where it is."""


class MemoryJournal(MemoryReader):
    """A log in memory and the right to write to it; see `loopledger.log.journal.Journal`.

    Whoever comes later takes the right over, as on disk: one who is left behind neither writes nor lets go.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._epoch = store.epoch

    def compress(self, on: bool) -> None:
        """Do nothing: in memory bodies are as they are."""

    def append(self, records: Sequence[Record], erased: Sequence[Run] = ()) -> None:
        """Add the records, and erase bodies.

        Raises:
            LoopInUse: They do not follow the log's end: another writer was here.

        """
        following = range(self.head().seq + 1, self.head().seq + 1 + len(records))
        if self._epoch != self._store.epoch or [record.seq for record in records] != list(following):
            raise LoopInUse("another writer has taken over this loop")
        self._store.records.extend(records)
        for record in records:
            if record.event_id is not None:
                self._store.by_event_id.setdefault(record.event_id, []).append(record)
        for first, last in erased:
            for record in list(self.records(first, last, TRAFFIC)):
                self._erase(record)

    def close(self) -> None:
        """Let the next writer in."""
        if self._epoch == self._store.epoch and self._store.owned.locked():
            self._store.owned.release()

    def _erase(self, record: Record) -> None:
        if record.event_id is None or record.erased:
            return
        gone = replace(record, body=b"", body_sha256=body_hash(record.body))
        self._store.records[record.seq - 1] = gone
        same = self._store.by_event_id[record.event_id]
        same[same.index(record)] = gone


class MemoryCheckpoints:
    """Keeps models and states in memory; see `loopledger.learning.checkpoints.Checkpoints`."""

    def __init__(self) -> None:
        self.models: dict[int, bytes] = {}
        self.state: bytes | None = None

    def load_model(self, version: int) -> bytes | None:
        """Return a version's bytes, if they are kept."""
        return self.models.get(version)

    def save_model(self, version: int, model: bytes) -> None:
        """Keep a version's bytes."""
        self.models[version] = model

    def drop_model(self, version: int) -> None:
        """Stop keeping a version's bytes."""
        self.models.pop(version, None)

    def load_state(self) -> bytes | None:
        """Return the state that was saved last."""
        return self.state

    def save_state(self, state: bytes) -> None:
        """Keep a state instead of the one before."""
        self.state = state
