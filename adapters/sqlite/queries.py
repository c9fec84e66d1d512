"""The questions that are asked of a log, in SQL."""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from loopledger.adapters.sqlite.bodies import ERASED, Bodies
from loopledger.errors import LogDamaged, LoopledgerError
from loopledger.log.chain import GENESIS, Record, follow

PAGE = 512
"""Rows read in one statement: none stays open long enough to hold up a checkpoint."""

LAST = 2**63 - 1
"""The largest number that SQLite can hold."""

_NO_DAMAGE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
"""Errors of the machine or of the moment. As our questions are always the same, any other is the file's."""

_STORED = "seq, at, kind, event_id, codec, CAST(body AS BLOB), digest"
_COLUMNS = f"""
    {_STORED},
    (SELECT digest FROM events AS previous WHERE previous.seq = events.seq - 1)
"""

RECORD = f"SELECT {_COLUMNS} FROM events WHERE seq = ?"
TAIL = f"SELECT {_COLUMNS} FROM events ORDER BY seq DESC LIMIT ?"
HEAD = "SELECT seq, at, digest FROM events ORDER BY seq DESC LIMIT 1"
END = "SELECT seq, at, digest FROM events WHERE seq = ?"
COMMITTED = "SELECT seq, digest FROM writer"
TIME = "SELECT at FROM events WHERE seq = ?"
SPAN = """
    SELECT min(seq), max(seq), count(*) FROM (
        SELECT seq FROM events WHERE kind = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?
    )
"""
COUNTS = """
    SELECT kind, count(*), sum(seq), (SELECT max(seq) FROM events), min(seq)
    FROM events WHERE seq > ? GROUP BY kind
"""
# An index that has lost an entry answers as if the event had never been.
UNINDEXED = """
    SELECT seq FROM events AS one NOT INDEXED WHERE seq >= ? AND seq <= ? AND (
        NOT EXISTS (
            SELECT 1 FROM events INDEXED BY by_kind WHERE kind = one.kind AND seq = one.seq
        ) OR event_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM events INDEXED BY by_event_id WHERE event_id = one.event_id AND seq = one.seq
        )
    ) ORDER BY seq LIMIT 1
"""
# The plus keeps SQLite from the index of kinds: a range to learn from is mostly decisions.
TRACED = f"""
    SELECT seq, at, event_id, codec, CAST(body AS BLOB) FROM events
    WHERE +kind = ? AND codec <> {ERASED} AND seq > ? AND seq <= ? ORDER BY seq LIMIT {PAGE}
"""
OUTCOMES = f"""
    SELECT d.seq, o.seq, o.at, o.kind, o.codec, CAST(o.body AS BLOB)
    FROM events AS d CROSS JOIN events AS o
    ON o.event_id = d.event_id AND o.seq <> d.seq AND +o.kind IN ('Rewarded', 'Activated')
    AND o.codec <> {ERASED}
    WHERE +d.kind = ? AND d.codec <> {ERASED} AND d.seq >= ? AND d.seq <= ?
    ORDER BY d.seq
"""

ERASABLE = f"""
    SELECT seq, codec, CAST(body AS BLOB) FROM events
    WHERE seq >= ? AND seq <= ? AND +kind IN ('Ranked', 'SlotsRanked', 'Rewarded', 'Activated')
    AND codec <> {ERASED} ORDER BY seq LIMIT {PAGE}
"""
DECISION_BODIES = f"""
    SELECT seq, codec, CAST(body AS BLOB) FROM events
    WHERE seq >= ? AND seq <= ? AND +kind IN ('Ranked', 'SlotsRanked') AND codec <> {ERASED}
    ORDER BY seq
"""
DICTIONARY = """
    SELECT number, since, first, CAST(content AS BLOB), sha256 FROM dictionaries WHERE number = ?
"""
DICTIONARIES = "SELECT number, since, first FROM dictionaries ORDER BY first, number"
HAS_DICTIONARIES = "SELECT 1 FROM sqlite_schema WHERE name = 'dictionaries'"
KEEP_DICTIONARY = """
    INSERT INTO dictionaries (since, first, content, sha256)
    SELECT ?, ?, CAST(? AS TEXT), ? WHERE (SELECT epoch FROM writer) = ?
"""
DROP_DICTIONARY = "DELETE FROM dictionaries WHERE number = ?"
STORE_ANEW = "UPDATE events SET codec = ?1, body = iif(?1, ?2, CAST(?2 AS TEXT)) WHERE seq = ?3"

ANY_ERASED = "SELECT 1 FROM events WHERE kind = 'Erased' LIMIT 1"
ERASE = f"UPDATE events SET codec = {ERASED}, body = ? WHERE seq = ?"


REINDEX = "if `loopledger verify` finds nothing else, close the loop and run `sqlite3 log.db REINDEX`"
"""How to make indexes again from the events."""


def page(kind: str | None, event_id: str | None) -> str:
    """Return the query for the next events of a kind or an event id; its parameters are named."""
    conditions = ["seq > :after", "seq <= :last"]
    if event_id is not None:
        conditions.append("event_id = :event_id")
    if kind is not None:
        # The plus keeps SQLite from reading a whole kind where an event id has a few events.
        conditions.append("kind = :kind" if event_id is None else "+kind = :kind")
    return f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(conditions)} ORDER BY seq LIMIT {PAGE}"


def stored(kinds: Sequence[str] | None) -> str:
    """Return the query for the next events, of some kinds only; no index is asked."""
    marks = "" if kinds is None else f"AND +kind IN ({', '.join('?' * len(kinds))})"
    return f"SELECT {_STORED} FROM events WHERE seq > ? AND seq <= ? {marks} ORDER BY seq LIMIT {PAGE}"


def bounds(first: int, last: int | None) -> tuple[int, int]:
    """Return after which seq and until which one to read, in numbers that SQLite can hold."""
    return min(max(first - 1, 0), LAST), LAST if last is None else min(max(last, 0), LAST)


def nth(kinds: Sequence[str]) -> str:
    """Return the query for the event that is the so-manyth of some kinds."""
    marks = ", ".join("?" * len(kinds))
    return f"""
        SELECT {_COLUMNS} FROM events WHERE seq = (
            SELECT seq FROM events WHERE kind IN ({marks}) ORDER BY seq LIMIT 1 OFFSET ?
        )
    """


def decisions(count: int) -> str:
    """Return the query for the decisions of so many event ids."""
    marks = ", ".join("?" * count)
    return f"SELECT {_COLUMNS} FROM events WHERE event_id IN ({marks}) AND +kind IN ('Ranked', 'SlotsRanked')"


def record(row: Sequence[Any], bodies: Bodies) -> Record:
    """Return a row of `_COLUMNS` as a record.

    Raises:
        LogDamaged: It does not follow the event before it: one of the two is not what was recorded.

    """
    found = as_stored(row[:-1], bodies)
    return follow(found, GENESIS if found.seq == 1 else row[-1])


def as_stored(row: Sequence[Any], bodies: Bodies) -> Record:
    """Return a row of `_STORED` as a record; whether it is what was recorded is not checked.

    Raises:
        LogDamaged: Its body cannot be read.

    """
    seq, at, kind, event_id, codec, stored, digest = row
    if codec == ERASED:
        return Record(seq, at, kind, event_id, b"", digest, stored)
    return Record(seq, at, kind, event_id, bodies.body(codec, stored, seq), digest)


def meaning(error: sqlite3.DatabaseError | UnicodeDecodeError) -> Exception:
    """Return what an error of a question means: damage, or just what it says."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_DAMAGE:
        return error
    return LogDamaged(f"the log's database cannot be read: {brief(error)}; {way_out(error)}")


def raise_instead(error: BaseException, found: BaseException) -> NoReturn:
    """Raise what an error was found to mean, with the error as its cause; an error is never its own cause."""
    if found is error:
        raise error
    raise found from error


def way_out(error: BaseException) -> str:
    """Return what to do about a database that cannot be read."""
    put_back = "put back a copy of log.db that holds"
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
        # It says that of errors of reading as well.
        return f"see first whether the disk can be read, then {put_back}"
    return put_back


def brief(error: BaseException) -> str:
    """Return what an error says, in one line: SQLite's may quote whole statements."""
    return str(error).partition("\n")[0]


def onward(last: Any, after: int) -> int:
    """Return where to read on after the last row of a page.

    In a tree whose inner keys are damaged a search may lead back to where it came from, and would do so
    for ever.

    Args:
        last: The seq of the page's last row.
        after: The seq after which the page was to begin.

    Raises:
        LogDamaged: It does not lead onward.

    """
    if not isinstance(last, int) or last <= after:
        raise LogDamaged(f"event {after + 1} cannot be found: the database's order is damaged", after + 1)
    return last


@contextmanager
def refusing(kind: type[LoopledgerError] = LoopledgerError) -> Generator[None]:
    """Raise what an error at opening a log means to somebody who knows nothing of SQLite.

    Args:
        kind: What to call it where the machine is at fault and the log is not.

    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        found = error if isinstance(error, OSError) else meaning(error)
        if isinstance(found, LogDamaged):
            raise found from error
        raise kind(
            f"the log's database cannot be opened: {error}; see whether this user may use its folder, "
            "whether the disk is full, and what `loopledger doctor` finds"
        ) from error
