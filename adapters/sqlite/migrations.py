"""Bringing a log's schema up to date: numbered steps, each one transaction and remembered by its hash."""

import sqlite3
from contextlib import closing
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from loopledger.adapters.sqlite.connection import APPLICATION_ID
from loopledger.adapters.sqlite.queries import brief, meaning, raise_instead, way_out
from loopledger.errors import LogDamaged

_MIGRATIONS = """
    CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT
"""


_SCHEMA = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
_OF_REPLICATION = {
    ("_litestream_seq", "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)"),
    ("_litestream_lock", "CREATE TABLE _litestream_lock (id INTEGER)"),
}
"""What Litestream makes in every database that it copies; nothing of the log is in it or depends on it."""


class Migration(NamedTuple):
    """One step: its number, its file's name and its SQL."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of the step's SQL, in hexadecimal digits."""
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return the steps that this release knows, in order."""
    found = [
        Migration(int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in files("loopledger.migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: sqlite3.Connection, steps: list[Migration] | None = None) -> None:
    """Apply the steps that a database does not have yet.

    Args:
        connection: With transactions begun by hand.
        steps: The steps to apply; by default those of this release.

    Raises:
        LogDamaged: The file is no loopledger log, a newer release has written it, or a step that
            it went through is not the step we know.

    """
    steps = migrations() if steps is None else steps
    done = check_schema(connection, steps)
    for step in steps[done:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if step.number == 1:
                connection.execute(_MIGRATIONS)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for statement in _statements(step.sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, step.sha256)
            )
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # where the disk fails, SQLite itself goes back
                connection.execute("ROLLBACK")
            raise


def check_schema(connection: sqlite3.Connection, steps: list[Migration]) -> int:
    """Return how many steps a database has gone through.

    Raises:
        LogDamaged: As `migrate` says.

    """
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        done: int = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != APPLICATION_ID and (tables or done or application):
            raise LogDamaged("the file is a database, but not a loopledger log")
        if done > len(steps):
            raise LogDamaged(
                f"the log has schema {done}, this release knows {len(steps)}: a newer one has written it"
            )
        applied = (
            connection.execute("SELECT number, sha256 FROM migrations ORDER BY number").fetchall()
            if done
            else []
        )
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise_instead(error, _unreadable(error))
    if applied != [(step.number, step.sha256) for step in steps[:done]]:
        raise LogDamaged("a migration that the log went through is not the one that this release has")
    return done


def check_unchanged(connection: sqlite3.Connection) -> None:
    """Refuse a database whose tables, indexes or rules are not as the migrations made them.

    Raises:
        LogDamaged: Names those that are not.

    """
    changed = changed_schema(connection)
    if changed:
        raise LogDamaged(f"the database's schema was changed: {', '.join(changed)}")


def changed_schema(connection: sqlite3.Connection) -> list[str]:
    """Return the names of tables, indexes and rules that are not as the migrations made them."""
    try:
        done: int = connection.execute("PRAGMA user_version").fetchone()[0]
        found = set(connection.execute(_SCHEMA))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise_instead(error, _unreadable(error))
    return sorted({name for name, _ in (found - _OF_REPLICATION) ^ _schema(done)})


def _unreadable(error: sqlite3.DatabaseError | UnicodeDecodeError) -> Exception:
    if not isinstance(meaning(error), LogDamaged):
        return error
    return LogDamaged(f"the file is not a readable SQLite database: {brief(error)}; {way_out(error)}")


@cache
def _schema(done: int) -> frozenset[tuple[str, str]]:
    """Return what the first migrations make: names with their SQL."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, migrations()[:done])
        return frozenset(connection.execute(_SCHEMA))


def _statements(sql: str) -> list[str]:
    """Split a script into statements; `executescript` would commit the transaction it is in."""
    statements: list[str] = []
    gathered = ""
    for line in sql.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            statements.append(gathered)
            gathered = ""
    return statements
