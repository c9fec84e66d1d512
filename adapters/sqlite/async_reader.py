"""Reading a log, for programs that must not wait: aiosqlite."""

import sqlite3
from bisect import insort
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import READER_PRAGMAS, reader_uri
from loopledger.log.chain import Record


class AsyncSqliteReader:
    """Reads a log without blocking the event loop, a page in one go.

    Args:
        path: The log's database.

    """

    def __init__(self, path: Path) -> None:
        self._connection = aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None)

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
        try:
            await self._connection
            for pragma in READER_PRAGMAS:
                await self._connection.execute(f"PRAGMA {pragma}")
        except BaseException as error:
            await self._connection.close()
            raise queries.refused(error) from error
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
                rows = list(await self._connection.execute_fetchall(query, values))
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise queries.meaning(error) from error
            for row in rows:
                yield queries.record(row)
            if len(rows) < queries.PAGE:
                return
            after = rows[-1][0]


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
