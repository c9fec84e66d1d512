"""The gateway: from a request on the wire to an operation of a loop, and back."""

import asyncio
import logging
import time
import traceback
import uuid
from itertools import count

from starlette.types import Receive, Scope, Send

from loopledger.adapters.embedding.async_ledger import AsyncLedger
from loopledger.adapters.embedding.async_loop import AsyncLoop
from loopledger.adapters.http.address import Address, address_of
from loopledger.adapters.http.call import Call, Header, House, Reply
from loopledger.adapters.http.errors import Refusal, error_reply, refusal_of
from loopledger.adapters.http.keys import Keys, sent_keys
from loopledger.adapters.http.metrics import Metrics
from loopledger.adapters.http.operations import Operation, operation_at
from loopledger.adapters.http.service import read_service
from loopledger.adapters.http.versions import Version
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopStopped, NotFound

_SAID = b"x-ms-client-request-id"
_LONGEST_SAID = 128
_SERVER_ERROR = 500
_PATIENCE = 30.0
_logger = logging.getLogger("loopledger")

# Requests are counted under a random beginning: to draw each anew would hold up all of them.
_MAKER = str(uuid.uuid4())[:24]
_counted = count()


class _Gone(Exception):
    """The client has closed its connection."""


class Gateway:
    """Answers the requests of Personalizer's clients; an ASGI application.

    Args:
        ledger: The loops.
        house: What all calls have in common.
        metrics: Counts what is answered.
        most_at_once: How many requests may be under way at a time.

    """

    def __init__(self, ledger: AsyncLedger, house: House, metrics: Metrics, most_at_once: int) -> None:
        self._ledger = ledger
        self._house = house
        self._metrics = metrics
        self._keys = Keys(house.folder)
        self._loops: dict[str, AsyncLoop] = {}
        self._most = most_at_once
        self._busy = 0
        self._log = diagnostics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = _Request(scope, receive)
        self._busy += 1
        try:
            reply = await self._answer(request)
        except _Gone:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            reply = self._refusal(request, error)
        finally:
            self._busy -= 1
        self._count(request, reply.status)
        if _logger.isEnabledFor(logging.INFO):
            self._log.info("answered", **request.described(), status=reply.status)
        headers = [*reply.headers, *request.echoed()]
        if reply.status != 204:  # noqa: PLR2004 - HTTP's own number; such an answer has no body
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, request: "_Request") -> Reply:
        if self._busy > self._most:
            raise Refusal("429", headers=((b"retry-after", b"1"),))
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
        operation = request.operation = operation_at(address.path, address.version, request.scope["method"])
        try:
            async with asyncio.timeout(_PATIENCE):
                body = await request.body(operation.largest)
        except TimeoutError:
            raise Refusal("RequestTimeout", f"the body did not come within {_PATIENCE:g} seconds") from None
        loop = self._loops.get(name) or await self._opened(name)
        metrics = self._metrics.loop(name)
        call = Call(
            loop, address.version, body, address.name, address.query, self._house, metrics, request.scope
        )
        return await operation.carry_out(call)

    def _loop_named(self, request: "_Request") -> str:
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

    def _count(self, request: "_Request", status: int) -> None:
        if not request.loop:
            self._metrics.without_loop.labels(status).inc()
            return
        operation = request.operation.name if request.operation else "none"
        took = None if request.scope["method"] in {"GET", "HEAD"} else request.seconds()
        self._metrics.loop(request.loop).answered(operation, status, took)

    def _refusal(self, request: "_Request", error: Exception) -> Reply:
        if isinstance(error, LoopStopped | NotFound):
            self._loops.pop(request.loop, None)  # the next request opens it afresh, if it can be
        operation = request.operation
        invalid, failed = (operation.invalid, operation.failed) if operation else ("BadRequest",) * 2
        refusal = refusal_of(error, invalid, failed)
        reply = error_reply(refusal, request.version)
        if reply.status >= _SERVER_ERROR and not isinstance(error, Refusal):
            # What is not foreseen may quote the request: then only where it happened is said.
            where = "".join(traceback.format_tb(error.__traceback__)) if not refusal.details else ""
            said = type(error).__name__ if where else str(error)
            self._log.error("failed", **request.described(), error=said, where=where)
        return reply


class _Request:
    """A request, and what is found out about it on the way."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.loop = ""
        self.operation: Operation | None = None
        self._receive = receive
        self._id = f"{_MAKER}{next(_counted) & 0xFFFFFFFFFFFF:012x}"
        self._begun = time.perf_counter()
        raw_path = scope.get("raw_path") or scope["path"].encode()
        self.address: Address | None = address_of(raw_path, scope["query_string"])

    @property
    def version(self) -> Version:
        """The version that the caller speaks, as far as it is known."""
        found = None if self.address is None else self.address.version
        return Version.V1_0 if found is None else found

    async def body(self, largest: int) -> bytes:
        """Return the body.

        Raises:
            Refusal: It is too large.

        """
        for name, value in self.scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > largest:
                raise _too_large(largest)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            if size > largest:
                raise _too_large(largest)
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def echoed(self) -> list[Header]:
        """Return the headers that say which request this was: our name for it, and the caller's own."""
        echoed = [(b"apim-request-id", self._id.encode())]
        for name, value in self.scope["headers"]:
            if name == _SAID and len(value) <= _LONGEST_SAID:
                echoed.append((name, value))
        return echoed

    def seconds(self) -> float:
        """Return how long it has been under way."""
        return time.perf_counter() - self._begun

    def described(self) -> dict[str, object]:
        """Return what may be said of it in a log: never a key, a path or anything of the body."""
        took = self.seconds() * 1000
        name = self.operation.name if self.operation else ""
        return {"request": self._id, "loop": self.loop, "operation": name, "milliseconds": round(took, 3)}


def _too_large(largest: int) -> Refusal:
    return Refusal("PayloadSizeExceeded", f"a body may have at most {largest:,} bytes here")
