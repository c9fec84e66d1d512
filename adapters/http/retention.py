"""Log retention: what is older than a loop's ``logRetentionDays`` is erased, as long as the server runs."""

import asyncio
from datetime import timedelta

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.http.call import House
from loopledger.adapters.http.service import read_service
from loopledger.diagnostics import diagnostics

_PAUSE = 3600.0


async def keep_retention(ledger: AsyncLedger, house: House) -> None:
    """Erase what is due in every loop, again and again, until this is cancelled."""
    while True:
        for name in await ledger.loops():
            try:
                await erase_old(ledger, house, name)
            except Exception as error:  # noqa: BLE001 - one loop's trouble is its own
                diagnostics(loop=name).error("retention failed", error=repr(error))
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
