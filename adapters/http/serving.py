"""Serving the application with uvicorn, until somebody ends it."""

import logging
import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette

from loopledger.adapters.http.patient import PatientProtocol
from loopledger.errors import LoopledgerError

_SWITCH = 0.0005  # seconds


class Place(NamedTuple):
    """Where to listen.

    Attributes:
        host: An address of this machine.
        port: 0 takes any that is free.
        certificate: A file in PEM; with it, TLS is spoken.
        private_key: The file with its key.

    """

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None


class Times(NamedTuple):
    """How long is waited, in seconds.

    Attributes:
        grace: For requests that are under way at the end.
        patience: For the head of a request.

    """

    grace: float
    patience: float


def serve(app: Starlette, place: Place, times: Times, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what has come in, for at most the grace time, and close.

    Args:
        app: The application.
        place: Where to listen.
        times: How long is waited.
        ready: Is told the address once requests are answered.

    Raises:
        OSError: The address cannot be listened at, or a file cannot be read.
        LoopledgerError: The application cannot begin.

    """
    config = uvicorn.Config(
        app,
        host=place.host,
        port=place.port,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.private_key,
        timeout_graceful_shutdown=max(1, round(times.grace)),
        http=partial(PatientProtocol, times.patience),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    with socket.create_server(
        (place.host, place.port),
        family=socket.AF_INET6 if ":" in place.host else socket.AF_INET,
        backlog=2048,
    ) as listening:
        port = listening.getsockname()[1]
        host = f"[{place.host}]" if ":" in place.host else place.host
        scheme = "http" if place.certificate is None else "https"
        server = _Server(config, lambda: ready(f"{scheme}://{host}:{port}"))
        with _switching_soon():
            server.run(sockets=[listening])
    if not server.started:
        raise LoopledgerError("the server could not begin; what was said before says why")


@contextmanager
def _switching_soon() -> Generator[None]:
    """Let threads that compute hand over the interpreter's lock sooner.

    A Rank needs it several times on its way, and Python lets a thread that makes learning lines keep
    it for 5 milliseconds each time.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Server(uvicorn.Server):
    """Says when it is ready, and ends without the signal that ended it: it was carried out."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        ends = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(one, self.handle_exit) for one in ends]
        try:
            yield
        finally:
            for one, handler in zip(ends, before, strict=True):
                signal.signal(one, handler)
