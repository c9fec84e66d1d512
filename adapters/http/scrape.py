"""``/metrics``: what Prometheus is told of the loop whose key it sends."""

import asyncio
import sqlite3

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.http.call import House
from loopledger.adapters.http.errors import Refusal, error_reply
from loopledger.adapters.http.gauges import gauges
from loopledger.adapters.http.keys import Keys, sent_keys
from loopledger.adapters.http.metrics import Metrics
from loopledger.adapters.http.versions import Version
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopledgerError
from loopledger.learning.earnings import Earnings

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Scrape:
    """Answers Prometheus.

    Args:
        ledger: The loops.
        house: What all calls have in common.
        metrics: What was counted.

    """

    def __init__(self, ledger: AsyncLedger, house: House, metrics: Metrics) -> None:
        self._ledger = ledger
        self._house = house
        self._metrics = metrics
        self._keys = Keys(house.folder)
        self._earnings: dict[str, Earnings] = {}

    async def answer(self, request: Request) -> Response:
        """Return the metrics of the loop that the key opens, and what belongs to no loop."""
        try:
            loops = [self._keys.loop(key) for key in sent_keys(request.headers.raw)]
        except LoopledgerError as error:
            return _refused(Refusal("InternalServerError", str(error)))
        name = next((loop for loop in loops if loop is not None), None)
        if name is None:
            return _refused(Refusal("401", headers=((b"www-authenticate", b"Bearer"),)))
        directory = self._ledger.ledger.directory
        registries = [self._metrics.registry, self._metrics.loop(name).registry, _open_loops(directory)]
        now = int(self._house.clock.now())
        # A loop that is not open stays closed: who watches must not keep others from being open.
        if (session := directory.opened(name)) is not None:
            earnings = self._earnings.setdefault(name, Earnings(session.begun_at))
            try:
                registries.append(await asyncio.to_thread(gauges, session, earnings, now))
            except (LoopledgerError, OSError, sqlite3.Error) as error:
                diagnostics(loop=name).error("metrics failed", error=repr(error))
        return Response(b"".join(map(generate_latest, registries)), media_type=_TEXT)


def _open_loops(directory: Directory) -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("loopledger_open_loops", "Loops that are open.", registry=registry).set(directory.open_count)
    return registry


def _refused(refusal: Refusal) -> Response:
    reply = error_reply(refusal, Version.V1_0)
    response = Response(reply.body, reply.status)
    response.raw_headers.extend(reply.headers)
    return response
