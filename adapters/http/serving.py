"""Serving the application with uvicorn, until somebody ends it."""

import errno
import logging
import signal
import socket
import ssl
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
        LoopledgerError: The address cannot be listened at, a file cannot be used, or the application
            cannot begin.

    """
    _check_files(place)
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
    with _listening(place) as listening:
        port = listening.getsockname()[1]
        host = f"[{place.host}]" if ":" in place.host else place.host
        scheme = "http" if place.certificate is None else "https"
        server = _Server(config, lambda: ready(f"{scheme}://{host}:{port}"))
        with _switching_soon():
            server.run(sockets=[listening])
    if not server.started:
        raise LoopledgerError("the server could not begin; what was said before says why")


def _check_files(place: Place) -> None:
    """Refuse a certificate and a key with which no TLS can be spoken."""
    if place.certificate is None:
        return
    for option, path in (("certificate", place.certificate), ("private-key", place.private_key)):
        try:
            held = b"" if path is None else path.read_bytes()
        except OSError as error:
            raise LoopledgerError(
                f"--{option}: this file cannot be read ({error.strerror}); give one in PEM that is there"
            ) from None
        marked = b"-----BEGIN CERTIFICATE-----" if option == "certificate" else b"PRIVATE KEY-----"
        if path is not None and marked not in held:
            raise LoopledgerError(
                f"--{option}: this file holds no {option.replace('-', ' ')} in PEM; "
                "is it perhaps swapped with the other of --certificate and --private-key?"
            )
    try:
        # An encrypted key would be asked about on the terminal, or never be answered.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            place.certificate, place.private_key, password=lambda: b""
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = "is not the key of the certificate in --certificate; give the two that belong together"
        else:
            problem = (
                "the certificate and this key cannot be used; give PEM that openssl reads, "
                "and a key without a passphrase"
            )
        raise LoopledgerError(f"--private-key: {problem}") from None


def _listening(place: Place) -> socket.socket:
    """Return a socket that listens at a place."""
    try:
        return socket.create_server(
            (place.host, place.port),
            family=socket.AF_INET6 if ":" in place.host else socket.AF_INET,
            backlog=2048,
        )
    except OSError as error:
        # A name that is none comes with a negative number: it is an error of looking it up.
        if (error.errno or 0) < 0 or error.errno == errno.EADDRNOTAVAIL:
            problem = (
                "--host: is no address of this machine; 127.0.0.1 is this machine alone, 0.0.0.0 all of it"
            )
        elif error.errno == errno.EADDRINUSE:
            problem = "--port: is in use by another program; end that one, or give another port (0: any free)"
        elif error.errno == errno.EACCES:
            problem = "--port: this user may not listen there; give one from 1024 to 65535"
        else:
            problem = f"--host, --port: cannot be listened at ({error.strerror}); give others"
        raise LoopledgerError(problem) from error


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
