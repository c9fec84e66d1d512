"""Writing a log: one writer, durable commits, append-only."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path

from loopledger.adapters.lasting import write_again
from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.bodies import PLAIN, Compressor
from loopledger.adapters.sqlite.connection import PAGE_SIZE, connect_writer, without_waiting
from loopledger.adapters.sqlite.dictionaries import Dictionaries
from loopledger.adapters.sqlite.gaps import clear_gaps
from loopledger.adapters.sqlite.lock import WriterLock
from loopledger.adapters.sqlite.migrations import check_unchanged, migrate
from loopledger.adapters.sqlite.reader import SqliteReader
from loopledger.errors import LogDamaged, LoopInUse, LoopStopped
from loopledger.log.chain import Record, body_hash, check_end
from loopledger.log.events import DECISIONS, Run

# A write-ahead log that is begun anew is overwritten, and syncing it costs half of what it costs
# while the file still grows. So it is kept short.
_CHECKPOINT_BYTES = 4 * 1_048_576
_TRANSACTION_BYTES = 4 * PAGE_SIZE  # the ends of the table and of two indexes, and the writer's row
_ROW = "(?, ?, ?, ?, 0, CAST(? AS TEXT), ?)"
_ROWS = 128
_values = attrgetter("seq", "at", "kind", "event_id", "body", "digest")
_APPEND = """
    INSERT INTO events (seq, at, kind, event_id, codec, body, digest)
    SELECT * FROM (VALUES {rows}) WHERE (SELECT epoch FROM writer) = ?
"""
_STORED_ROW = "(?, ?, ?, ?, ?, ?, ?)"
_APPEND_STORED = """
    INSERT INTO events (seq, at, kind, event_id, codec, body, digest)
    SELECT column1, column2, column3, column4, column5, iif(column5, column6, CAST(column6 AS TEXT)), column7
    FROM (VALUES {rows}) WHERE (SELECT epoch FROM writer) = ?
"""


class SqliteJournal(SqliteReader):
    """A log and the right to write to it; see `loopledger.log.journal.Journal`.

    The right is guarded three times: by a lock file, by an epoch that every commit checks, and by
    the primary key on seq. A lock file that somebody deletes, or a file system that does not
    know locks, costs a failed commit and never the log.

    Args:
        path: The database; it is made if it does not exist.

    Raises:
        LoopInUse: Another writer has it.
        LogDamaged: It is no log, or does not end where the last writer left it.
        LoopStopped: The machine does not let it be opened: its disk fails or is full.

    """

    def __init__(self, path: Path) -> None:
        with queries.refusing(LoopStopped):
            self._lock = WriterLock(path.with_name("writer.lock"))
            try:
                super().__init__(connect_writer(path))
            except BaseException:
                self._lock.release()
                raise
            self._path = path
            self._since_checkpoint = 0
            self._overwrite = False
            self._compressing = False
            try:
                self._begin(path.with_name(f"{path.name}-wal"))
            except BaseException:
                self.close()
                raise

    def compress(self, on: bool) -> None:
        """Say whether decisions are compressed from here on; what is in the log stays as it is."""
        self._compressing = on

    def append(self, records: Sequence[Record], erased: Sequence[Run] = ()) -> None:
        """Make the records durable, all or none, and erase bodies with the same transaction.

        Raises:
            LoopInUse: Another writer has taken over.

        """
        compressor = None
        try:
            if self._compressing and any(record.kind in DECISIONS for record in records):
                compressor = self._dictionaries.compressor(records[0].seq - 1)
            if not erased and len(records) <= _ROWS:
                # One statement is a transaction by itself. It lets go of the interpreter's lock
                # once; under load getting it back is what a commit costs.
                written = self._insert(records, compressor)
            else:
                written = self._insert_many(records, erased, compressor)
        except sqlite3.IntegrityError as error:
            raise LoopInUse("another writer has taken over this loop") from error
        self._since_checkpoint += _TRANSACTION_BYTES + written
        self._overwrite = self._overwrite or bool(erased)
        if erased or self._since_checkpoint >= _CHECKPOINT_BYTES:
            self._checkpoint()

    def close(self) -> None:
        """Let go of the log and of the right to write."""
        try:
            if self._overwrite:
                with suppress(sqlite3.Error, OSError):
                    self._checkpoint()  # there may be no reader by now
            self._connection.close()
        finally:
            self._lock.release()

    def _insert_many(
        self, records: Sequence[Record], erased: Sequence[Run], compressor: Compressor | None
    ) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            written = 0
            for start in range(0, len(records), _ROWS):
                written += self._insert(records[start : start + _ROWS], compressor)
            if erased:
                self._erase(erased)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return written

    def _insert(self, records: Sequence[Record], compressor: Compressor | None) -> int:
        """Add rows, and return how many bytes of bodies they have."""
        if compressor is None:
            statement = _append(_APPEND, _ROW, len(records))
            values = [*chain.from_iterable(map(_values, records)), self._epoch]
            written = sum([len(record.body) for record in records])
        else:
            statement = _append(_APPEND_STORED, _STORED_ROW, len(records))
            values, written = [], 0
            for record in records:
                body = record.body
                codec, stored = compressor.stored(body) if record.kind in DECISIONS else (PLAIN, body)
                values += (record.seq, record.at, record.kind, record.event_id, codec, stored, record.digest)
                written += len(stored)
            values.append(self._epoch)
        if self._connection.execute(statement, values).rowcount != len(records):
            raise LoopInUse("another writer has taken over this loop")
        return written

    def _erase(self, erased: Sequence[Run]) -> None:
        gone = self._dictionaries.gone(erased)
        for first, last in erased:
            after = first
            while found := self._all(queries.ERASABLE, (after, last)):
                self._learn([row[1:] for row in found])
                hashes = []
                for seq, codec, stored in found:
                    body = self._bodies.body(codec, stored, seq)
                    gone.take(body)
                    hashes.append((body_hash(body), seq))
                self._connection.executemany(queries.ERASE, hashes)
                after = queries.onward(found[-1][0], after - 1) + 1
        self._dictionaries.forget(erased, gone)

    def _begin(self, ahead: Path) -> None:
        migrate(self._connection)
        check_unchanged(self._connection)
        left_behind = ahead.is_file() and ahead.stat().st_size > 0
        self._epoch = self._take_over(ahead)
        self._dictionaries = Dictionaries(self, self._connection, self._epoch)
        check_end(self.head(), self.committed())
        if left_behind and self._one(queries.ANY_ERASED):
            # The writer before may have died while the write-ahead log still held what was erased.
            self._overwrite = True
            self._checkpoint()

    def _take_over(self, ahead: Path) -> int:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        # The writer before may have stopped at a sync that failed. What it wrote is read back from the
        # machine's memory then, but may never reach the disk: only what is written again is synced again.
        # No other writer can be there, now that this transaction has begun, and SQLite locks other files.
        write_again(ahead)
        row = execute("UPDATE writer SET epoch = epoch + 1 RETURNING epoch").fetchone()
        execute("COMMIT")
        if row is None:
            raise LogDamaged("the log has lost its record of how far it goes")
        epoch: int = row[0]
        return epoch

    def _checkpoint(self) -> None:
        """Move what was committed from the write-ahead log into the database; it raises what goes wrong.

        Where bodies were erased, the write-ahead log still holds them until it is cut off, which takes
        a moment without readers; and it says which pages' gaps are to be overwritten first. Both is
        tried again next time if there is no such moment.
        """
        with without_waiting(self._connection):
            _, ahead, moved = self._moved("PASSIVE")
            if self._overwrite and ahead == moved:
                self._connection.execute("PRAGMA shrink_memory")  # it would write back the gaps it remembers
                clear_gaps(self._path)
                busy, _, _ = self._moved("TRUNCATE")
                self._overwrite = bool(busy)
        self._since_checkpoint = 0

    def _moved(self, mode: str) -> tuple[int, int, int]:
        """Return whether readers were in the way, and how many pages were to be moved and have been."""
        ((busy, ahead, moved),) = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        return busy, ahead, moved


@cache
def _append(statement: str, row: str, rows: int) -> str:
    return statement.format(rows=", ".join([row] * rows))
