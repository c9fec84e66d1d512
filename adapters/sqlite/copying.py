"""Copies of a log: as it is at one moment while its writer goes on, or only up to an event."""

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from loopledger.adapters.lasting import sync
from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import PAGE_SIZE, connect_reader, reader_uri
from loopledger.adapters.sqlite.migrations import check_schema, migrate, migrations
from loopledger.errors import LogDamaged, LoopledgerError

_PAGES = 256  # two megabytes in one go
_ROWS = 4096
_PRIVATE = 0o600

Tell = Callable[[int, int], None]


def copy_log(source: Path, target: Path, tell: Tell) -> None:
    """Copy a log to a new file as it is at this moment. Its writer goes on and is not waited for.

    The copy is one file, with nothing beside it. It is on disk when this returns.

    Args:
        source: The log's database.
        target: The file to make.
        tell: Is told how much is copied, and of how much.

    Raises:
        LogDamaged: The log cannot be read.
        LoopledgerError: The copy cannot be written.

    """
    with _failing(target), closing(connect_reader(source)) as reader, closing(_new(target)) as copy:
        # An open transaction stays at its moment. Without it the copy would begin anew whenever
        # somebody writes, and under steady traffic never end.
        reader.execute("BEGIN")
        reader.execute(queries.HEAD).fetchone()
        reader.backup(
            copy, pages=_PAGES, progress=lambda _status, remaining, total: tell(total - remaining, total)
        )
        copy.execute("PRAGMA journal_mode = DELETE")  # else reading it would make files beside it
    sync(target)


def copy_until(source: Path, target: Path, seq: int, tell: Tell) -> None:
    """Copy the first events of a log to a new file: the log as it was when the last of them came.

    Args:
        source: The log's database, which nobody writes to.
        target: The file to make.
        seq: The last event to copy.
        tell: Is told how many events are copied, and of how many.

    Raises:
        LogDamaged: The log cannot be read.
        LoopledgerError: The copy cannot be written.

    """
    with _failing(target), closing(_new(target)) as copy:
        with closing(connect_reader(source)) as reader:
            steps = migrations()[: check_schema(reader, migrations())]
        copy.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        migrate(copy, steps)
        copy.execute("ATTACH ? AS whole", (reader_uri(source),))
        copy.execute("BEGIN")
        for after in range(0, seq, _ROWS):
            last = min(after + _ROWS, seq)
            copy.execute(
                "INSERT INTO events SELECT * FROM whole.events WHERE seq > ? AND seq <= ? ORDER BY seq",
                (after, last),
            )
            tell(last, seq)
        if copy.execute(queries.HAS_DICTIONARIES).fetchone():
            # What no event up to there was stored with was not there yet.
            copy.execute("INSERT INTO dictionaries SELECT * FROM whole.dictionaries WHERE first <= ?", (seq,))
        copy.execute("UPDATE writer SET epoch = (SELECT epoch FROM whole.writer)")
        copy.execute("COMMIT")
    sync(target)


def _new(path: Path) -> sqlite3.Connection:
    """Return a connection to a new database that is synced once, at its end, and else thrown away."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _failing(target: Path) -> Generator[None]:
    """Say what went wrong in a sentence: the log, or the place of its copy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        found = queries.meaning(error)
        if isinstance(found, LogDamaged):
            raise found from error
        raise LoopledgerError(
            f"{target.parent.name}: the log cannot be copied: {error}; see whether the disk is full, and "
            "whether this user may read the one place and write the other"
        ) from error
