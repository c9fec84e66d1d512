"""A client that costs little: it sends requests over many connections, and says how long answers took.

A program of its own: it reads what to do as JSON from its standard input, and prints as JSON what
came of it. Requests are written as they are, and of the answers only status and length are read.
"""

import asyncio
import socket
import sys
import time
from collections import deque
from typing import Any, cast

import msgspec
import uvloop

_WARM_UP = 0.3


class Task(msgspec.Struct):
    """What to do.

    Attributes:
        port: Of the server, on this machine.
        requests: As they go over the wire.
        connections: How many there are, with one request under way on each.
        seconds: For how long to send; what is answered in the first moments is not counted.
        rate: Requests a second, sent when they are due; none: each as soon as there is an answer.
        most: Send so many and no more.

    """

    port: int
    requests: list[bytes]
    connections: int
    seconds: float = 2.0
    rate: float | None = None
    most: int | None = None


class Outcome(msgspec.Struct):
    """What came of it.

    Attributes:
        sent: How many requests there were, in the first moments too.
        answers: How many answers there were after those.
        seconds: In which they came.
        refused: How many had another status than 201.
        p50: Of the milliseconds from when a request was due to its answer.
        p99: The same.
        busy: The share of the time that this program was at work: it must not be what is measured.

    """

    sent: int
    answers: int
    seconds: float
    refused: int
    p50: float
    p99: float
    busy: float


class _Connection(asyncio.Protocol):
    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._due = 0.0
        self._came = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport = cast("asyncio.Transport", transport)
        self._load.free(self)

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        came = self._came + data if self._came else data
        end = came.find(b"\r\n\r\n")
        at = came.find(b"content-length: ", 0, end)
        if end < 0 or (at > 0 and len(came) < end + 4 + int(came[at + 16 : came.index(b"\r", at)])):
            self._came = came
            return
        self._came = b""
        self._load.answered(came[9:12], self._due)
        self._load.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._load.lost()


class _Load:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._sent = 0
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._took: list[float] = []
        self._refused = 0
        self._over = asyncio.Event()
        self._begun = 0.0

    async def run(self) -> Outcome:
        running = asyncio.get_running_loop()
        connections = [
            await running.create_connection(lambda: _Connection(self), "127.0.0.1", self._task.port)
            for _ in range(self._task.connections)
        ]
        begun = time.perf_counter()
        self._begun = begun + (_WARM_UP if self._task.most is None else 0)
        working = time.process_time()
        for _ in range(len(self._free)):
            self.free(self._free.popleft())
        pacing = asyncio.create_task(self._pace()) if self._task.rate else None
        try:
            async with asyncio.timeout(None if self._task.most else self._task.seconds + _WARM_UP):
                await self._over.wait()
        except TimeoutError:
            pass
        ended = time.perf_counter()
        busy = (time.process_time() - working) / (ended - begun)
        if pacing:
            pacing.cancel()
        for transport, _ in connections:
            transport.abort()
        took = sorted(self._took) or [0.0]
        return Outcome(
            sent=self._sent,
            answers=len(self._took),
            seconds=ended - self._begun,
            refused=self._refused,
            p50=took[len(took) // 2] * 1000,
            p99=took[len(took) * 99 // 100] * 1000,
            busy=busy,
        )

    def free(self, connection: _Connection) -> None:
        if self._due:
            self._send(connection, self._due.popleft())
        elif self._task.rate or not self._begun:
            self._free.append(connection)
        else:
            self._send(connection, time.perf_counter())

    def answered(self, status: bytes, due: float) -> None:
        now = time.perf_counter()
        if now >= self._begun:
            self._took.append(now - due)
            self._refused += status != b"201"
            if len(self._took) == self._task.most:
                self._over.set()

    def lost(self) -> None:
        self._over.set()

    def _send(self, connection: _Connection, due: float) -> None:
        if self._task.most is None or self._sent < self._task.most:
            requests = self._task.requests
            connection.send(requests[self._sent % len(requests)], due)
            self._sent += 1

    async def _pace(self) -> None:
        """Send what is due, whether or not what was sent before is answered."""
        every = 1 / (self._task.rate or 1)
        due = time.perf_counter()
        while True:
            while due <= time.perf_counter():
                if self._free:
                    self._send(self._free.popleft(), due)
                else:
                    self._due.append(due)
                due += every
            await asyncio.sleep(due - time.perf_counter())


def main() -> None:
    """Do what the standard input says."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    found: Any = uvloop.run(_Load(task).run())
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
