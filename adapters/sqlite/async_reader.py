"""Reading a log, for programs that must not wait: aiosqlite."""

from bisect import insort
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import READER_PRAGMAS, reader_uri
from loopledger.chain import Record


class AsyncSqliteReader:
    """Reads a log without blocking the event loop, a page in one go.

    Args:
        connection: To the log's database, for reading only.

    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

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

    async def _pages(
        self, after: int, last: int, kind: str | None, event_id: str | None
    ) -> AsyncIterator[Record]:
        query = queries.page(kind, event_id)
        while True:
            values: dict[str, Any] = {"after": after, "last": last, "kind": kind, "event_id": event_id}
            rows = list(await self._connection.execute_fetchall(query, values))
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


@asynccontextmanager
async def open_async_reader(path: Path) -> AsyncGenerator[AsyncSqliteReader]:
    """Open a log for reading only."""
    async with aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None) as connection:
        for pragma in READER_PRAGMAS:
            await connection.execute(f"PRAGMA {pragma}")
        yield AsyncSqliteReader(connection)
