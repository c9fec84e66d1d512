"""A request, and what is found out about it on the way."""

import asyncio
import time
import uuid
from itertools import count

from starlette.types import Receive, Scope

from loopledger.adapters.http.address import Address, address_of
from loopledger.adapters.http.bodies import too_large, unpacked
from loopledger.adapters.http.call import Header
from loopledger.adapters.http.errors import Refusal
from loopledger.adapters.http.operations import Operation
from loopledger.adapters.http.versions import Version

_SAID = b"x-ms-client-request-id"
_LONGEST_SAID = 128
_BOM = b"\xef\xbb\xbf"
_GZIP = frozenset({b"gzip", b"x-gzip"})
_ENCODINGS = _GZIP | {b"", b"identity"}
_ACCEPTED: tuple[Header, ...] = ((b"accept-encoding", b"gzip"),)
_SLOWEST = 65_536
"""Bytes in a second: a body that comes faster may take as long as it needs."""

# Requests are counted under a random beginning: to draw each anew would hold up all of them.
_MAKER = str(uuid.uuid4())[:24]
_counted = count()


class Gone(Exception):
    """The client has closed its connection."""


class Request:
    """A request, and what is found out about it on the way.

    Args:
        scope: What is known of it at first.
        receive: Waits for its body.
        patience: Seconds for which it is waited.

    Attributes:
        loop: The loop that its key opens.
        operation: What it asks for.
        address: Where it goes; none if that is nowhere.
        until: When it is given up, on the clock of `time.perf_counter`.
        given_up: Whether it was.

    """

    def __init__(self, scope: Scope, receive: Receive, patience: float) -> None:
        self.scope = scope
        self.loop = ""
        self.operation: Operation | None = None
        self._receive = receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._id = f"{_MAKER}{next(_counted) & 0xFFFFFFFFFFFF:012x}"
        self._begun = time.perf_counter()
        self._task = asyncio.current_task()
        self.until = self._begun + patience
        self.given_up = False
        raw_path = scope.get("raw_path") or scope["path"].encode()
        self.address: Address | None = address_of(raw_path, scope["query_string"])

    @property
    def version(self) -> Version:
        """The version that the caller speaks, as far as it is known."""
        found = None if self.address is None else self.address.version
        return Version.V1_0 if found is None else found

    def give_up(self) -> None:
        """Let whoever carries it out wait no longer."""
        if self._task is not None and not self.given_up:
            self.given_up = True
            self._task.cancel()

    async def body(self, largest: int) -> bytes:
        """Return the body, unpacked; while bytes come quickly enough, it is waited for.

        Args:
            largest: The most bytes that it may have.

        Raises:
            Gone: The client has closed its connection.
            Refusal: It is too large, or packed in a way that is not understood.

        """
        encoding = self._encoding(largest)
        body = await self._received(largest)
        if encoding in _GZIP:
            body = await asyncio.to_thread(unpacked, body, largest)
        return body[3:] if body[:3] == _BOM else body

    def _encoding(self, largest: int) -> bytes:
        """Return how the body is packed, once its headers say that it can be taken."""
        length = self._headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > largest:
            raise too_large(largest)
        encoding = self._headers.get(b"content-encoding", b"").strip().lower()
        if encoding not in _ENCODINGS:
            raise Refusal("415", "a body may be packed with gzip, or not at all", headers=_ACCEPTED)
        return encoding

    async def _received(self, largest: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        patience_ends = self.until
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            if size > largest:
                raise too_large(largest)
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)
            self.until = patience_ends + size / _SLOWEST

    def echoed(self) -> list[Header]:
        """Return the headers that say which request this was: our name for it, and the caller's own."""
        echoed = [(b"apim-request-id", self._id.encode())]
        said = self._headers.get(_SAID)
        if said is not None and len(said) <= _LONGEST_SAID:
            echoed.append((_SAID, said))
        return echoed

    def seconds(self) -> float:
        """Return how long it has been under way."""
        return time.perf_counter() - self._begun

    def described(self) -> dict[str, object]:
        """Return what may be said of it in a log: never a key, a path or anything of the body."""
        took = self.seconds() * 1000
        name = self.operation.name if self.operation else ""
        return {"request": self._id, "loop": self.loop, "operation": name, "milliseconds": round(took, 3)}
