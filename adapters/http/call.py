"""A call of an operation, and the reply to it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from starlette.types import Scope

from loopledger.adapters.embedding.async_loop import AsyncLoop
from loopledger.adapters.http.jobs import Jobs
from loopledger.adapters.http.metrics import LoopMetrics
from loopledger.adapters.http.versions import Version
from loopledger.clock import Clock

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json; charset=utf-8")
BINARY: Header = (b"content-type", b"application/octet-stream")

_encoder = msgspec.json.Encoder()


class House(NamedTuple):
    """What all calls to one server have in common.

    Attributes:
        folder: The data folder.
        clock: Tells the time.
        trusted: Fingerprints of the certificates whose models may be imported.
        changing: Held while a configuration is changed, so that two changes cannot mix.
        explaining: For the loops that are open, whether a Rank explains itself.
        jobs: Carries out what takes long, beside the requests.

    """

    folder: Path
    clock: Clock
    trusted: tuple[str, ...]
    changing: asyncio.Lock
    explaining: dict[str, bool]
    jobs: Jobs


class Call(NamedTuple):
    """A call of an operation.

    Attributes:
        loop: The loop that it is about.
        version: Of the API that the caller speaks.
        body: As it came.
        name: The id in the path, if there is one, decoded.
        query: The parameters of the query, each once.
        house: The server's own.
        metrics: What is counted of the loop.
        scope: The request as ASGI tells of it.

    """

    loop: AsyncLoop
    version: Version
    body: bytes
    name: str
    query: Mapping[str, str]
    house: House
    metrics: LoopMetrics
    scope: Scope


class Reply(NamedTuple):
    """A reply: what goes out on the wire."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()


NO_CONTENT = Reply(204)


def json_reply(status: int, value: Any) -> Reply:
    """Return a reply with a JSON document."""
    return Reply(status, _encoder.encode(value), (JSON,))
