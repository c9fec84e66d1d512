"""uvicorn's protocol, which would wait for ever for the head of a request, and take one of any size."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_LARGEST = 65_536
_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """A connection that ends when a head does not come in time, or is larger than any client's.

    Args:
        patience: Seconds for the head of a request, and for the first request of a connection to begin.

    """

    def __init__(self, patience: float, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = patience
        self._in_head = False
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; most often it is a whole head."""
        super().data_received(data)
        if not self._in_head:
            if self._timer is not None:
                self._wait_no_more()
            return
        self._size += len(data)
        if self._size > _LARGEST:
            self._end(_LARGE)
        elif self._timer is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Take note that a head has begun."""
        self._in_head = True
        self._size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Take note that it is here."""
        self._in_head = False
        super().on_headers_complete()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._patience, self._give_up)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self._end(_LATE if self._in_head else b"")

    def _end(self, answer: bytes) -> None:
        self._wait_no_more()
        if not self.transport.is_closing():
            before: RequestResponseCycle | None = vars(self)["cycle"]
            if answer and (before is None or before.response_complete):
                self.transport.write(answer)
            self.transport.close()
