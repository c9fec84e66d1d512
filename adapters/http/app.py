"""The application: one ASGI app for all loops of a data folder."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Lifespan, Receive, Scope, Send

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


class Served(Starlette):
    """The pages of the server's own, and the gateway for everything else.

    What the gateway answers does not pass through Starlette's routes: they cannot take every path
    that an event id can stand in, and cost as much as half of a small answer.

    Args:
        pages: The server's own.
        gateway: Answers everything else.
        lifespan: Opens the loops and closes them.

    """

    def __init__(self, pages: Sequence[Route], gateway: Gateway, lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes=pages, lifespan=lifespan)
        self.gateway = gateway
        self._own = frozenset(page.path for page in pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or begin and end."""
        if scope["type"] == "http" and scope["path"] not in self._own:
            await self.gateway(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def build_app(
    folder: str | Path,
    *,
    clock: Clock | None = None,
    trusted: Sequence[str] = (),
    most_at_once: int = 4096,
    open_loops: int = 256,
    patience: float = 30.0,
    evaluations_at_once: int = 2,
) -> Served:
    """Return the ASGI application that serves the loops of a data folder; its lifespan opens and closes them.

    Args:
        folder: The data folder.
        clock: Tells the time; by default the machine's.
        trusted: SHA-256 fingerprints of the certificates whose signed models may be imported.
        most_at_once: How many requests may be under way at a time; one more is answered with 429.
        open_loops: How many loops may be open at a time.
        patience: Seconds in which a request must come in, and a Rank, Reward or Activate be answered.
        evaluations_at_once: How many evaluations, of all loops together, are computed at a time.

    """
    clock = clock or SystemClock()
    ledger = AsyncLedger(folder, clock=clock, open_loops=open_loops)
    fingerprints = tuple(map(plain_fingerprint, trusted))
    jobs = Jobs(ledger, evaluations_at_once)
    house = House(Path(folder).absolute(), clock, fingerprints, asyncio.Lock(), {}, jobs)
    metrics = Metrics()
    gateway = Gateway(ledger, house, metrics, most_at_once, patience)
    ready = False

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        nonlocal ready
        async with ledger:
            chores = [
                asyncio.create_task(keep_retention(ledger, house)),
                asyncio.create_task(gateway.watch()),
            ]
            ready = True
            try:
                yield
            finally:
                ready = False
                for chore in chores:
                    chore.cancel()
                await asyncio.gather(*chores, jobs.close(), return_exceptions=True)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    routes = [
        Route("/health", health),
        Route("/metrics", Scrape(ledger, house, metrics).answer),
        Route("/openapi.json", openapi),
        Route("/docs", docs),
    ]
    return Served(routes, gateway, lifespan)
