"""The gateway: from a request on the wire to an operation of a loop, and back."""

import asyncio
import logging
import math
import time
import traceback

from starlette.types import Receive, Scope, Send

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.embedding.async_loop import AsyncLoop
from loopledger.adapters.http.call import Call, House, Reply
from loopledger.adapters.http.errors import Refusal, error_reply, refusal_of
from loopledger.adapters.http.keys import Keys, sent_keys
from loopledger.adapters.http.metrics import Metrics
from loopledger.adapters.http.operations import Operation, operation_at
from loopledger.adapters.http.request import Gone, Request
from loopledger.adapters.http.service import read_service
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopStopped, NotFound

_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_LOOKS = 20
_TROUBLES = 16
"""Of a loop, remembered so that each is said once; more of them are said again."""
_AGAIN = ((b"retry-after", b"1"),)
_logger = logging.getLogger("loopledger")


class Gateway:
    """Answers the requests of Personalizer's clients; an ASGI application.

    Args:
        ledger: The loops.
        house: What all calls have in common.
        metrics: Counts what is answered.
        most_at_once: How many requests may be under way at a time.
        patience: Seconds in which a request must come in, and in which a quick one is answered.

    """

    def __init__(
        self,
        ledger: AsyncLedger,
        house: House,
        metrics: Metrics,
        most_at_once: int,
        patience: float = 30.0,
    ) -> None:
        self._ledger = ledger
        self._house = house
        self._metrics = metrics
        self._keys = Keys(house.folder)
        self._loops: dict[str, AsyncLoop] = {}
        self._most = most_at_once
        self._patience = patience
        self._under_way: set[Request] = set()
        self._troubles: dict[str, dict[str, Operation | None]] = {}
        self._log = diagnostics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, self._patience)
        self._under_way.add(request)
        try:
            reply = await self._answer(request)
        except Gone:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            reply = self._refusal(request, error)
        finally:
            self._under_way.discard(request)
        if self._troubles and reply.status < _CLIENT_ERROR:
            self._is_over(request)
        self._count(request, reply.status)
        if _logger.isEnabledFor(logging.INFO):
            self._log.info("answered", **request.described(), status=reply.status)
        headers = [*reply.headers, *request.echoed()]
        if reply.status != 204:  # noqa: PLR2004 - HTTP's own number; such an answer has no body
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: Request) -> Reply:
        if len(self._under_way) > self._most:
            raise Refusal(
                "429",
                f"{self._most} requests are under way, and no more are taken at a time: try again after the "
                "seconds that Retry-After says, or let the server take more (`serve --most-at-once`)",
                headers=_AGAIN,
            )
        name = request.loop = self._loop_named(request)
        address = request.address
        if address is None:
            raise Refusal("ResourceNotFound", "paths begin with /personalizer or /loops/NAME/personalizer")
        if address.version is None:
            raise Refusal(
                "BadRequest",
                "the version must be in the path, such as /personalizer/v1.0/rank, or in the query: "
                "api-version=2022-09-01-preview",
            )
        method = request.scope["method"]
        operation = request.operation = operation_at(address.path, address.version, method)
        received = False
        try:
            body = await request.body(operation.largest)
            received = True
            if not operation.quick:
                request.until = math.inf
            loop = self._loops.get(name) or await self._opened(name)
            metrics = self._metrics.loop(name)
            call = Call(
                loop, address.version, body, address.name, address.query, self._house, metrics, request.scope
            )
            return await operation.carry_out(call)
        except asyncio.CancelledError:
            raise self._left(request, received=received) from None

    def _left(self, request: Request, *, received: bool) -> Refusal:
        """Return the refusal of a request that nobody goes on with."""
        within = f"within {self._patience:g} seconds"
        if not request.given_up:
            code, said = "OperationNotAllowed", "the server is ending; what was asked may still be done"
        elif received:
            code, said = "OperationNotAllowed", f"no answer {within}; what was asked may still be done"
        else:
            code, said = "RequestTimeout", f"the body did not come {within}"
        return Refusal(code, said, headers=_AGAIN)

    async def watch(self) -> None:
        """Give up, again and again, what takes too long; until this is cancelled.

        A timer for each request would cost each of them more than looking at all of them does.
        """
        while True:
            await asyncio.sleep(self._patience / _LOOKS)
            now = time.perf_counter()
            for request in self._under_way:
                if now > request.until:
                    request.give_up()

    def _loop_named(self, request: Request) -> str:
        """Return the loop that the key opens, which must be the one in the path if one is there."""
        for key in sent_keys(request.scope["headers"]):
            name = self._keys.loop(key)
            if name is not None and (request.address is None or request.address.loop in {None, name}):
                return name
        raise Refusal("401", headers=((b"www-authenticate", b"Bearer"),))

    async def _opened(self, name: str) -> AsyncLoop:
        loop = await self._ledger.loop(name)
        service = await asyncio.to_thread(read_service, self._house.folder, name)
        self._house.explaining[name] = service.is_inference_explainability_enabled
        self._loops[name] = loop
        return loop

    def _count(self, request: Request, status: int) -> None:
        if not request.loop:
            self._metrics.without_loop.labels(status).inc()
            return
        operation = request.operation.name if request.operation else "none"
        took = None if request.scope["method"] in {"GET", "HEAD"} else request.seconds()
        self._metrics.loop(request.loop).answered(operation, status, took)

    def _refusal(self, request: Request, error: Exception) -> Reply:
        if isinstance(error, LoopStopped | NotFound):
            self._loops.pop(request.loop, None)  # the next request opens it afresh, if it can be
        operation = request.operation
        invalid, failed = (operation.invalid, operation.failed) if operation else ("BadRequest",) * 2
        refusal = refusal_of(error, invalid, failed)
        reply = error_reply(refusal, request.version)
        if reply.status >= _SERVER_ERROR and not isinstance(error, Refusal):
            # What is not foreseen may quote the request: then only where it happened is said.
            if not refusal.details:
                where = "".join(traceback.format_tb(error.__traceback__))
                self._log.error("failed", **request.described(), error=type(error).__name__, where=where)
            elif self._is_news(request, str(error)):
                self._log.error("failed", **request.described(), error=str(error))
        return reply

    def _is_news(self, request: Request, said: str) -> bool:
        """Tell whether a loop's trouble has not been said since what it kept from being done was done."""
        said_before = self._troubles.setdefault(request.loop, {})
        if said in said_before:
            return False
        if len(said_before) >= _TROUBLES:
            said_before.clear()
        said_before[said] = request.operation
        return True

    def _is_over(self, request: Request) -> None:
        """Forget the troubles that kept from being done what now was."""
        troubles = self._troubles.pop(request.loop, {})
        left = {said: operation for said, operation in troubles.items() if operation != request.operation}
        if left:
            self._troubles[request.loop] = left
