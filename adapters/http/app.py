"""The application: one ASGI app for all loops of a data folder."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.http.call import House
from loopledger.adapters.http.describing import docs, openapi
from loopledger.adapters.http.gateway import Gateway
from loopledger.adapters.http.jobs import Jobs
from loopledger.adapters.http.metrics import Metrics
from loopledger.adapters.http.retention import keep_retention
from loopledger.adapters.http.scrape import Scrape
from loopledger.adapters.signed_model import plain_fingerprint
from loopledger.adapters.system_clock import SystemClock
from loopledger.clock import Clock


def build_app(
    folder: str | Path,
    *,
    clock: Clock | None = None,
    trusted: Sequence[str] = (),
    most_at_once: int = 4096,
    open_loops: int = 256,
    jobs_at_once: int = 2,
) -> Starlette:
    """Return the ASGI application that serves the loops of a data folder; its lifespan opens and closes them.

    Args:
        folder: The data folder.
        clock: Tells the time; by default the machine's.
        trusted: SHA-256 fingerprints of the certificates whose signed models may be imported.
        most_at_once: How many requests may be under way at a time; one more is answered with 429.
        open_loops: How many loops may be open at a time.
        jobs_at_once: How many evaluations, of all loops together, are computed at a time.

    """
    clock = clock or SystemClock()
    ledger = AsyncLedger(folder, clock=clock, open_loops=open_loops)
    fingerprints = tuple(map(plain_fingerprint, trusted))
    jobs = Jobs(ledger, jobs_at_once)
    house = House(Path(folder).absolute(), clock, fingerprints, asyncio.Lock(), {}, jobs)
    ready = False

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        nonlocal ready
        async with ledger:
            retention = asyncio.create_task(keep_retention(ledger, house))
            ready = True
            try:
                yield
            finally:
                ready = False
                retention.cancel()
                await asyncio.gather(retention, jobs.close(), return_exceptions=True)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    metrics = Metrics()
    routes = [
        Route("/health", health),
        Route("/metrics", Scrape(ledger, house, metrics).answer),
        Route("/openapi.json", openapi),
        Route("/docs", docs),
        Mount("", Gateway(ledger, house, metrics, most_at_once)),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
