"""Log retention: what is older than a loop's ``logRetentionDays`` is erased, as long as the server runs."""

import asyncio
import sqlite3
from datetime import timedelta

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.http.call import House
from loopledger.adapters.http.service import read_service
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopledgerError

_PAUSE = 3600.0


async def keep_retention(ledger: AsyncLedger, house: House) -> None:
    """Erase what is due in every loop, again and again, until this is cancelled."""
    while True:
        for name in await ledger.loops():
            try:
                await erase_old(ledger, house, name)
            except (LoopledgerError, OSError, sqlite3.Error) as error:  # one loop's trouble is its own
                diagnostics(loop=name).error("retention failed", error=str(error))
        await asyncio.sleep(_PAUSE)


async def erase_old(ledger: AsyncLedger, house: House, name: str) -> None:
    """Erase what is due in one loop; it is opened only if something may be."""
    days = (await asyncio.to_thread(read_service, house.folder, name)).log_retention_days
    if days < 0:
        return
    loop = await ledger.loop(name)
    erased = await loop.erase(older_than=timedelta(days=days))
    if erased.events:
        diagnostics(loop=name).info("retention", erased=erased.events)
