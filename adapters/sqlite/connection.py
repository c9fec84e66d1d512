"""How connections to a log are opened, and what is set on them."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

APPLICATION_ID = 0x4C4F4F50
"""Marks a SQLite file as a loopledger log ("LOOP")."""

PAGE_SIZE = 8192
"""Bytes of a database page: a few decisions fit on one, and a commit does not write much besides."""

_BUSY_SECONDS = 5.0


def connect_writer(path: Path) -> sqlite3.Connection:
    """Return a connection that makes every commit durable.

    Transactions are begun and ended by hand. Checkpoints of the write-ahead log are run by hand
    too: an error inside an automatic one would go unnoticed.
    """
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            f"page_size = {PAGE_SIZE}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "fullfsync = ON",  # on macOS a plain fsync stops at the drive's cache
            "wal_autocheckpoint = 0",
            "foreign_keys = ON",
            "recursive_triggers = ON",
            "trusted_schema = OFF",
            "secure_delete = ON",  # what is erased is overwritten
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def without_waiting(connection: sqlite3.Connection) -> Generator[None]:
    """Let questions that somebody else is in the way of come back at once."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(_BUSY_SECONDS * 1000)}")


def reader_uri(path: Path) -> str:
    """Return the address under which a log is opened for reading only."""
    return f"{path.resolve().as_uri()}?mode=ro"


READER_PRAGMAS = ("query_only = ON", "trusted_schema = OFF", f"busy_timeout = {round(_BUSY_SECONDS * 1000)}")
"""What is set on connections that only read."""


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read and never blocks the writer."""
    connection = sqlite3.connect(
        reader_uri(path), uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in READER_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection
