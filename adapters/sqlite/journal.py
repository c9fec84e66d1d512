"""Writing a log: one writer, durable commits, append-only."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from msgspec.structs import astuple

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import PAGE_SIZE, connect_writer
from loopledger.adapters.sqlite.lock import WriterLock
from loopledger.adapters.sqlite.migrations import check_unchanged, migrate
from loopledger.adapters.sqlite.reader import SqliteReader
from loopledger.chain import Record, check_end
from loopledger.errors import LogDamaged, LoopInUse

# A write-ahead log that is begun anew is overwritten, and syncing it costs half of what it costs
# while the file still grows. So it is kept short.
_CHECKPOINT_BYTES = 4 * 1_048_576
_TRANSACTION_BYTES = 4 * PAGE_SIZE  # the ends of the table and of two indexes, and the writer's row
_ROW = "(?, ?, ?, ?, 0, CAST(? AS TEXT), ?)"
_ROWS = 128
_APPEND = """
    INSERT INTO events (seq, at, kind, event_id, codec, body, digest)
    SELECT * FROM (VALUES {rows}) WHERE (SELECT epoch FROM writer) = ?
"""


class SqliteJournal(SqliteReader):
    """A log and the right to write to it; see `loopledger.journal.Journal`.

    The right is guarded three times: by a lock file, by an epoch that every commit checks, and by
    the primary key on seq. A lock file that somebody deletes, or a file system that does not
    know locks, costs a failed commit and never the log.

    Args:
        path: The database; it is made if it does not exist.

    Raises:
        LoopInUse: Another writer has it.
        LogDamaged: It is no log, or does not end where the last writer left it.

    """

    def __init__(self, path: Path) -> None:
        self._lock = WriterLock(path.with_name("writer.lock"))
        try:
            super().__init__(connect_writer(path))
        except BaseException as error:
            self._lock.release()
            raise queries.refused(error) from error
        self._since_checkpoint = 0
        try:
            migrate(self._connection)
            check_unchanged(self._connection)
            self._epoch = self._take_over()
            check_end(self.head(), self.committed())
        except BaseException as error:
            self.close()
            raise queries.refused(error) from error

    def append(self, records: Sequence[Record]) -> None:
        """Make the records durable, all or none.

        Raises:
            LoopInUse: Another writer has taken over.

        """
        try:
            if len(records) <= _ROWS:
                # One statement is a transaction by itself. It lets go of the interpreter's lock
                # once; under load getting it back is what a commit costs.
                self._insert(records)
            else:
                self._insert_many(records)
        except sqlite3.IntegrityError as error:
            raise LoopInUse("another writer has taken over this loop") from error
        self._since_checkpoint += _TRANSACTION_BYTES + sum([len(record.body) for record in records])
        if self._since_checkpoint >= _CHECKPOINT_BYTES:
            self._checkpoint("PASSIVE")

    def close(self) -> None:
        """Let go of the log and of the right to write."""
        try:
            self._connection.close()
        finally:
            self._lock.release()

    def _insert_many(self, records: Sequence[Record]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(records), _ROWS):
                self._insert(records[start : start + _ROWS])
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _insert(self, records: Sequence[Record]) -> None:
        values = [*chain.from_iterable(map(astuple, records)), self._epoch]
        if self._connection.execute(_append(len(records)), values).rowcount != len(records):
            raise LoopInUse("another writer has taken over this loop")

    def _take_over(self) -> int:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        row = execute("UPDATE writer SET epoch = epoch + 1 RETURNING epoch").fetchone()
        execute("COMMIT")
        if row is None:
            raise LogDamaged("the log has lost its record of how far it goes")
        epoch: int = row[0]
        return epoch

    def _checkpoint(self, mode: str) -> None:
        """Move what was committed from the write-ahead log into the database; it raises what goes wrong."""
        self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        self._since_checkpoint = 0


@cache
def _append(rows: int) -> str:
    return _APPEND.format(rows=", ".join([_ROW] * rows))
