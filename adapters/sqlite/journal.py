"""Writing a log: one writer, durable commits, append-only."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from pathlib import Path

from loopledger.adapters.lasting import write_again
from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import PAGE_SIZE, connect_writer, without_waiting
from loopledger.adapters.sqlite.lock import WriterLock
from loopledger.adapters.sqlite.migrations import check_unchanged, migrate
from loopledger.adapters.sqlite.reader import SqliteReader
from loopledger.errors import LogDamaged, LoopInUse, LoopStopped
from loopledger.log.chain import Record, body_hash, check_end
from loopledger.log.events import Run

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
        try:
            self._lock = WriterLock(path.with_name("writer.lock"))
        except OSError as error:
            raise queries.refused(error, LoopStopped) from error
        try:
            super().__init__(connect_writer(path))
        except BaseException as error:
            self._lock.release()
            raise queries.refused(error, LoopStopped) from error
        self._since_checkpoint = 0
        self._overwrite = False
        try:
            migrate(self._connection)
            check_unchanged(self._connection)
            self._epoch = self._take_over(path.with_name(f"{path.name}-wal"))
            check_end(self.head(), self.committed())
            if self._one(queries.ANY_ERASED):
                # The writer before may have died while the write-ahead log still held what was erased.
                self._overwrite = True
                self._checkpoint()
        except BaseException as error:
            self.close()
            raise queries.refused(error, LoopStopped) from error

    def append(self, records: Sequence[Record], erased: Sequence[Run] = ()) -> None:
        """Make the records durable, all or none, and erase bodies with the same transaction.

        Raises:
            LoopInUse: Another writer has taken over.

        """
        try:
            if not erased and len(records) <= _ROWS:
                # One statement is a transaction by itself. It lets go of the interpreter's lock
                # once; under load getting it back is what a commit costs.
                self._insert(records)
            else:
                self._insert_many(records, erased)
        except sqlite3.IntegrityError as error:
            raise LoopInUse("another writer has taken over this loop") from error
        self._since_checkpoint += _TRANSACTION_BYTES + sum([len(record.body) for record in records])
        self._overwrite = self._overwrite or bool(erased)
        if erased or self._since_checkpoint >= _CHECKPOINT_BYTES:
            self._checkpoint()

    def close(self) -> None:
        """Let go of the log and of the right to write."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def _insert_many(self, records: Sequence[Record], erased: Sequence[Run]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(records), _ROWS):
                self._insert(records[start : start + _ROWS])
            for first, last in erased:
                self._erase(first, last)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _insert(self, records: Sequence[Record]) -> None:
        values = [*chain.from_iterable(map(_values, records)), self._epoch]
        if self._connection.execute(_append(len(records)), values).rowcount != len(records):
            raise LoopInUse("another writer has taken over this loop")

    def _erase(self, first: int, last: int) -> None:
        while found := self._all(queries.ERASABLE, (first, last)):
            hashes = [(body_hash(body), seq) for seq, body in found]
            self._connection.executemany(queries.ERASE, hashes)
            first = found[-1][0] + 1

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

        Where bodies were erased, the write-ahead log still holds them until it is cut off. That takes
        a moment without readers, and is tried again next time if there is none.
        """
        mode = "TRUNCATE" if self._overwrite else "PASSIVE"
        with without_waiting(self._connection):
            ((busy, _, _),) = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        self._overwrite = self._overwrite and bool(busy)
        self._since_checkpoint = 0


@cache
def _append(rows: int) -> str:
    return _APPEND.format(rows=", ".join([_ROW] * rows))
