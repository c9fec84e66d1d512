"""Reading a log, for programs that wait."""

import heapq
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.bodies import Bodies, Dictionary
from loopledger.adapters.sqlite.connection import connect_reader
from loopledger.adapters.sqlite.migrations import changed_schema, check_schema, migrations
from loopledger.errors import LogDamaged
from loopledger.log.chain import Head, Record
from loopledger.log.events import KINDS, DecisionKind
from loopledger.log.journal import Outcome, Span, Traced

_KINDS = frozenset(KINDS)


def open_reader(path: Path) -> "SqliteReader":
    """Open a log for reading only.

    Raises:
        LogDamaged: It is no log that this release can read.

    """
    with queries.refusing():
        connection = connect_reader(path)
        try:
            steps = check_schema(connection, migrations())
        except BaseException:
            connection.close()
            raise
    if steps == 0:
        connection.close()
        raise LogDamaged("the log was never set up: its creation was interrupted; create the loop again")
    return SqliteReader(connection)


class SqliteReader:
    """Reads a log; see `loopledger.log.journal.Reader`.

    Args:
        connection: To the log's database.

    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._bodies = Bodies()

    def head(self) -> Head:
        """Return the end of the log as its events have it."""
        row = self._one(queries.HEAD)
        return Head(*row) if row else Head()

    def committed(self) -> Head:
        """Return the end of the log as the writer last committed it."""
        row = self._one(queries.COMMITTED)
        if row is None or not isinstance(row[0], int) or not isinstance(row[1], bytes):
            raise LogDamaged("the log has lost its record of how far it goes")
        return Head(row[0], 0, row[1])

    def end(self, seq: int) -> Head | None:
        """Return the end of the log as it was after an event, taken as it is stored."""
        row = self._one(queries.END, (seq,))
        return Head(*row) if row else None

    def record(self, seq: int) -> Record | None:
        """Return the event at a place in the log."""
        rows = self._rows(queries.RECORD, (seq,))
        return queries.record(rows[0], self._bodies) if rows else None

    def records(
        self,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
    ) -> Iterator[Record]:
        """Yield events in log order, of some kinds or of one event id only."""
        after, until = queries.bounds(first, last)
        if kinds is None:
            return self._pages(after, until, None, event_id)
        streams = [self._pages(after, until, kind, event_id) for kind in kinds]
        return heapq.merge(*streams, key=lambda record: record.seq)

    def stored(self, first: int, last: int, kinds: Sequence[str] | None = None) -> Iterator[Record]:
        """Yield events as they are stored; whether they are what was recorded is not checked."""
        after, until = queries.bounds(first, last)
        query = queries.stored(kinds)
        while rows := self._rows(query, (after, until, *(kinds or ()))):
            for row in rows:
                yield queries.as_stored(row, self._bodies)
            after = queries.onward(rows[-1][0], after)

    def tail(self, count: int) -> list[Record]:
        """Return the last events in log order."""
        rows = self._rows(queries.TAIL, (count,))
        return [queries.record(row, self._bodies) for row in reversed(rows)]

    def nth(self, kinds: Sequence[str], number: int) -> Record | None:
        """Return the event that is the so-manyth of these kinds, counted from 1."""
        rows = self._rows(queries.nth(kinds), (*kinds, number - 1))
        return queries.record(rows[0], self._bodies) if rows else None

    def last_until(self, at: int) -> int:
        """Return the seq of the last event no later than a time: times never decrease."""
        low, high = 0, self.head().seq
        while low < high:
            middle = (low + high + 1) // 2
            row = self._one(queries.TIME, (middle,))
            if row is None or not isinstance(row[0], int):
                raise LogDamaged(f"event {middle} is missing", middle)
            low, high = (middle, high) if row[0] <= at else (low, middle - 1)
        # A time that was changed leads here, to one side of it or the other: both are checked.
        self.record(low)
        self.record(low + 1)
        return low

    def span(self, kind: DecisionKind, after: int, until: int, most: int) -> Span | None:
        """Return the first decisions of a kind after one seq and up to another."""
        row = self._one(queries.SPAN, (kind, after, until, most))
        return Span(*row) if row and row[2] else None

    def traced(self, kind: DecisionKind, first: int, last: int) -> Iterator[Traced]:
        """Yield the decisions of a kind between two seqs, each with its outcomes."""
        after = first - 1
        while found := self._traced_page(kind, after, last):
            after = queries.onward(max(found), after)
            for traced in found.values():
                if len(traced.outcomes) > 1:
                    traced.outcomes.sort()
                yield traced

    def decisions(self, event_ids: Sequence[str]) -> dict[str, Record]:
        """Return the decisions that some event ids name."""
        rows = self._rows(queries.decisions(len(event_ids)), tuple(event_ids))
        return {row[3]: queries.record(row, self._bodies) for row in rows}

    def counts(self, after: int = 0) -> dict[str, int]:
        """Return how many events of each kind come after a seq; they are counted in the index of kinds.

        Raises:
            LogDamaged: The index does not have every event once.

        """
        rows = self._all(queries.COUNTS, (after,))
        last = max((row[3] for row in rows), default=after)
        # The seqs from `after` to the last, each once: so many, and with this sum.
        expected = last - after, (last * (last + 1) - after * (after + 1)) // 2
        found = sum(row[1] for row in rows), sum(row[2] for row in rows)
        if found != expected or not all(self._known(kind, first) for kind, *_, first in rows):
            raise LogDamaged(f"the index of kinds does not fit the events; {queries.REINDEX}")
        return {row[0]: row[1] for row in rows}

    def unindexed(self, first: int, last: int) -> int | None:
        """Return the first event between two seqs that an index does not know."""
        row = self._one(queries.UNINDEXED, (first, last))
        return row[0] if row else None

    def decision_bodies(
        self, first: int, last: int, most: int, *, backwards: bool = False
    ) -> list[tuple[int, int, bytes]]:
        """Return the first decisions between two seqs that are not erased, or the last, from the last on.

        They are seq, codec and what is stored; `body` reads it.
        """
        order = "DESC" if backwards else ""
        rows = self._all(f"{queries.DECISION_BODIES} {order} LIMIT ?", (first, last, most))
        self._learn([row[1:] for row in rows])
        return rows

    def body(self, seq: int, codec: int, stored: bytes) -> bytes:
        """Return a decision's body.

        Raises:
            LogDamaged: It cannot be read.

        """
        return self._bodies.body(codec, stored, seq)

    def dictionary(self, number: int) -> Dictionary | None:
        """Return a dictionary as it is stored; none if there is none of that number."""
        row = self._one(queries.DICTIONARY, (number,))
        return Dictionary(*row) if row else None

    def dictionaries(self) -> list[tuple[int, int, int]]:
        """Return what dictionaries there are, in the log's order: number, since and first."""
        return self._all(queries.DICTIONARIES) if self._one(queries.HAS_DICTIONARIES) else []

    def size(self) -> int:
        """Return how many bytes the log takes on disk, once all of it is in the database."""
        (row,) = self._all("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        size: int = row[0]
        return size

    def faults(self, *, deep: bool) -> list[str]:
        """Return what is wrong with the database: rules that were changed, indexes that lie."""
        found = [f"the database's schema was changed: {name}" for name in changed_schema(self._connection)]
        for number, *_ in self.dictionaries():
            kept = self.dictionary(number)
            if kept is not None and not kept.whole():
                found.append(f"dictionary {number} is not what was stored: what needs it is lost")
        if deep:
            said = self._all("PRAGMA integrity_check(10)")
            found += [f"the database is damaged: {row[0]}" for row in said if row[0] != "ok"]
        return found

    def close(self) -> None:
        """Let go of the log."""
        self._connection.close()

    def _traced_page(self, kind: DecisionKind, after: int, last: int) -> dict[int, Traced]:
        # As of one moment: else of a decision that is erased meanwhile its rewards alone would be missing.
        with self._moment():
            rows = self._all(queries.TRACED, (kind, after, last))
            self._learn([row[3:] for row in rows])
            found = {
                seq: Traced(seq, at, event_id, self._bodies.body(codec, stored, seq), [])
                for seq, at, event_id, codec, stored in rows
            }
            bounds = (kind, rows[0][0], rows[-1][0]) if rows else (kind, 0, 0)
            for of, seq, at, what, codec, stored in self._all(queries.OUTCOMES, bounds):
                found[of].outcomes.append(Outcome(seq, at, what, self._bodies.body(codec, stored, seq)))
        return found

    def _pages(self, after: int, last: int, kind: str | None, event_id: str | None) -> Iterator[Record]:
        query = queries.page(kind, event_id)
        while True:
            values = {"after": after, "last": last, "kind": kind, "event_id": event_id}
            rows = self._rows(query, values)
            for row in rows:
                yield queries.record(row, self._bodies)
            if len(rows) < queries.PAGE:
                return
            after = queries.onward(rows[-1][0], after)

    def _known(self, kind: object, seq: int) -> bool:
        """Tell whether a kind that an index names is one that there is, in this release or a newer one."""
        if kind in _KINDS:
            return True
        record = self.record(seq)
        return record is not None and record.kind == kind

    def _rows(self, query: str, values: tuple[Any, ...] | dict[str, Any]) -> list[tuple[Any, ...]]:
        """Return rows with whole events, once every dictionary that their bodies need is known."""
        rows = self._all(query, values)
        if self._bodies.unknown(row[4:6] for row in rows):
            # As of one moment: a dictionary may be replaced together with all bodies that need it.
            with self._moment():
                rows = self._all(query, values)
                self._learn([row[4:6] for row in rows])
        return rows

    def _learn(self, stored: Iterable[tuple[int, Any]]) -> None:
        for number in self._bodies.unknown(stored):
            self._bodies.learn(number, self._one(queries.DICTIONARY, (number,)))

    @contextmanager
    def _moment(self) -> Generator[None]:
        """Let several questions be answered as of one moment."""
        began = not self._connection.in_transaction
        if began:
            self._all("BEGIN")
        try:
            yield
        finally:
            if began:
                self._connection.rollback()

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
        rows = self._all(query, values)
        return rows[0] if rows else None

    def _all(self, query: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except OverflowError:
            return []  # nothing in a log has a number that SQLite cannot hold
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            queries.raise_instead(error, queries.meaning(error))
