"""Reading a log, for programs that must not wait: aiosqlite."""

import sqlite3
from asyncio import Lock
from bisect import insort
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.bodies import Bodies
from loopledger.adapters.sqlite.connection import READER_PRAGMAS, reader_uri
from loopledger.log.chain import Record


class AsyncSqliteReader:
    """Reads a log without blocking the event loop, a page in one go.

    Args:
        path: The log's database.

    """

    def __init__(self, path: Path) -> None:
        self._connection = aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None)
        self._bodies = Bodies()
        self._turn = Lock()

    async def records(
        self,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
    ) -> AsyncIterator[Record]:
        """Yield events in log order, of some kinds or of one event id only."""
        after, until = queries.bounds(first, last)
        wanted = (None,) if kinds is None else kinds
        streams = [self._pages(after, until, kind, event_id) for kind in wanted]
        heads: list[tuple[Record, AsyncIterator[Record]]] = []
        for stream in streams:
            await _advance(stream, heads)
        while heads:
            record, stream = heads.pop(0)
            yield record
            await _advance(stream, heads)

    async def __aenter__(self) -> Self:
        with queries.refusing():
            try:
                await self._connection
                for pragma in READER_PRAGMAS:
                    await self._connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                await self._connection.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def _pages(
        self, after: int, last: int, kind: str | None, event_id: str | None
    ) -> AsyncIterator[Record]:
        query = queries.page(kind, event_id)
        while True:
            values: dict[str, Any] = {"after": after, "last": last, "kind": kind, "event_id": event_id}
            try:
                rows = await self._rows(query, values)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                queries.raise_instead(error, queries.meaning(error))
            for row in rows:
                yield queries.record(row, self._bodies)
            if len(rows) < queries.PAGE:
                return
            after = queries.onward(rows[-1][0], after)

    async def _rows(self, query: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        """Return rows of events, once every dictionary that their bodies need is known."""
        rows = list(await self._connection.execute_fetchall(query, values))
        if not self._bodies.unknown(row[4:6] for row in rows):
            return rows
        # As of one moment: a dictionary may be replaced together with all bodies that need it.
        async with self._turn:
            await self._connection.execute("BEGIN")
            try:
                rows = list(await self._connection.execute_fetchall(query, values))
                for number in self._bodies.unknown(row[4:6] for row in rows):
                    found = list(await self._connection.execute_fetchall(queries.DICTIONARY, (number,)))
                    self._bodies.learn(number, found[0] if found else None)
            finally:
                await self._connection.rollback()
        return rows


async def _advance(stream: AsyncIterator[Record], heads: list[tuple[Record, AsyncIterator[Record]]]) -> None:
    """Put a stream's next record among the others', which are in log order."""
    record = await anext(stream, None)
    if record is not None:
        insort(heads, (record, stream), key=lambda head: head[0].seq)


def open_async_reader(path: Path) -> AsyncSqliteReader:
    """Open a log for reading only, in an `async with` statement."""
    # No generator: when a program ends, all of them are closed at once, and one in which another
    # waits is in its way.
    return AsyncSqliteReader(path)
