"""Rank over HTTP against the same server stack with nothing behind it.

The load comes from a program of its own. With two processor cores, it, the server's event loop, the
loop's thread and the processes that train share them.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from load import Outcome, Task
from measure import Ratios, Row, resident
from traffic import Taught, taught

import loopledger
from loopledger.adapters.http.keys import create_key
from loopledger.adapters.vw.learner import VwLearner

_CONNECTIONS = 64
_SECONDS = 2.0
_LOOPS = 1000
_OPEN = 50
_HERE = Path(__file__).parent
_PATH = "/personalizer/v1.0"


class Served(NamedTuple):
    """A server that runs.

    Attributes:
        port: Where it listens.
        process: Its process id.

    """

    port: int
    process: int

    def load(self, requests: list[bytes], **how: float) -> Outcome:
        """Send requests, and return what came of it."""
        task = Task(port=self.port, requests=requests, **{"connections": _CONNECTIONS, **how})  # type: ignore[arg-type]
        found = subprocess.run(
            [sys.executable, _HERE / "load.py"],
            input=msgspec.json.encode(task),
            capture_output=True,
            check=True,
        )
        outcome = msgspec.json.decode(found.stdout, type=Outcome)
        if outcome.refused or not outcome.answers:
            raise AssertionError(f"{outcome.refused} of {outcome.answers} answers were no 201")
        return outcome

    def processor(self) -> float:
        """Return how many seconds of processor time it has taken."""
        fields = Path(f"/proc/{self.process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Return how many megabytes of it are in memory."""
        return resident(self.process) / 1e6


def serving(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield throughput and latency of Rank over HTTP."""
    for actions in (10, 50):
        with taught(actions, folder) as prepared:
            yield from _against_a_constant(actions, prepared, rounds)
    with taught(10, folder) as prepared:
        yield _while_it_trains(prepared, rounds)
    with taught(10, folder) as prepared:
        yield _many_loops(prepared)


def _against_a_constant(actions: int, prepared: Taught, rounds: int) -> Iterator[Row]:
    key = create_key(prepared.folder, prepared.name)[1]
    wire = [_wire(request.json, key) for request in prepared.requests]
    throughput, work, tail = Ratios(), Ratios(), Ratios()
    with _server(prepared.folder) as ours, _constant(_answer(ours, wire[0])) as constant:
        for _ in range(rounds):
            constant_work, our_work = constant.processor(), ours.processor()
            before = constant.load(wire, seconds=_SECONDS / 2)
            ranked = ours.load(wire, seconds=_SECONDS)
            after = constant.load(wire, seconds=_SECONDS / 2)
            plain = (before.answers + after.answers) / (before.seconds + after.seconds)
            constant_work, our_work = constant.processor() - constant_work, ours.processor() - our_work
            rate = ranked.answers / ranked.seconds
            throughput.add(
                rate / plain, ranks_per_second=rate, constants_per_second=plain, client_busy=before.busy
            )
            rank_us = our_work / ranked.sent * 1e6
            plain_us = constant_work / (before.sent + after.sent) * 1e6
            work.add(plain_us / rank_us, rank_us=rank_us, constant_us=plain_us)
            quarter = ours.load(wire, seconds=_SECONDS, rate=rate / 4)
            tail.add(quarter.p99 / quarter.p50, p50_ms=quarter.p50, p99_ms=quarter.p99, per_second=rate / 4)
    what, where = "durable Rank over HTTP", f"{actions} actions, {_CONNECTIONS} connections"
    goal = 0.5 if actions == 10 else None
    yield throughput.row(what, "the same stack, a constant answer", where, at_least=goal)
    yield work.row(f"{what}, processor time", "the same stack, a constant answer", where)
    yield tail.row(f"{what}, p99", "its p50", f"{where}, a quarter of that load", at_most=3.0)


def _while_it_trains(prepared: Taught, rounds: int) -> Row:
    """Compare the p99 of times with a training and a swap every second with that of times without."""
    key = create_key(prepared.folder, prepared.name)[1]
    wire = [_wire(request.json, key) for request in prepared.requests]
    with loopledger.open(prepared.folder) as ledger:
        loop = ledger.loop(prepared.name)
        loop.change_settings(reward_wait_time=0.2, model_update_frequency=0)
        model = loop.model()
    learner = VwLearner(1)
    begun = time.perf_counter()
    for _ in range(20):
        learner.scorer(model.policy, model.data).close()
    load_ms = (time.perf_counter() - begun) / 20 * 1000
    learner.close()
    ratios, versions = Ratios(), 0
    with _server(prepared.folder) as ours:
        rate = ours.load(wire, seconds=_SECONDS).answers / _SECONDS / 4
        for _ in range(rounds):
            _configure(ours, key, "PT1H")
            quiet = ours.load(wire, seconds=_SECONDS, rate=rate)
            _configure(ours, key, "PT0.5S")
            busy = ours.load(wire, seconds=_SECONDS, rate=rate)
            ratios.add(
                (busy.p99 - quiet.p99) / load_ms, quiet_p99_ms=quiet.p99, p99_ms=busy.p99, per_second=rate
            )
    with loopledger.open(prepared.folder) as ledger:
        versions = len(ledger.loop(prepared.name).models())
    return ratios.row(
        "durable Rank over HTTP, p99 while it trains, less p99 while it does not",
        "one load of its model",
        f"10 actions, {_CONNECTIONS} connections, a quarter of its load, a training every half second",
        at_most=1.0,
        model_load_ms=round(load_ms, 3),
        versions_made=versions,
    )


def _many_loops(prepared: Taught) -> Row:
    """Ask many loops in turn, of which few may be open: what is in memory must not grow with them."""
    names = [f"loop-{number}" for number in range(_LOOPS)]
    for name in names:
        shutil.copytree(prepared.folder / prepared.name, prepared.folder / name)
    keys = [create_key(prepared.folder, name)[1] for name in names]
    wire = [_wire(prepared.requests[at % len(prepared.requests)].json, key) for at, key in enumerate(keys)]
    ratios = Ratios()
    with _server(prepared.folder, "--open-loops", str(_OPEN)) as ours:
        at_first = ours.resident()
        ours.load(wire[: 2 * _OPEN], connections=4, most=4 * _OPEN)
        few = ours.resident()
        asked = ours.load(wire, connections=4, most=_LOOPS)
        many = ours.resident()
        still_open = _open_loops(ours, keys[-1])
        ratios.add(
            many / few,
            megabytes_at_first=at_first,
            megabytes_after_100_loops=few,
            megabytes_after_all=many,
            open_loops=still_open,
            opened_per_second=asked.answers / asked.seconds,
            p50_ms=asked.p50,
        )
    return ratios.row(
        f"memory after Ranks in {_LOOPS:,} loops",
        "after Ranks in 100",
        f"10 actions, at most {_OPEN} loops open",
        at_most=1.5,
    )


def _wire(body: bytes, key: str) -> bytes:
    head = (
        f"POST {_PATH}/rank HTTP/1.1\r\nHost: 127.0.0.1\r\nOcp-Apim-Subscription-Key: {key}\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@contextmanager
def _server(data: Path, *options: str) -> Generator[Served]:
    words = [sys.executable, "-m", "loopledger", "--data", data, "serve", "--port", "0", "--json", *options]
    with _running([*map(str, words)]) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        yield Served(int(address.rsplit(":", 1)[1]), process.pid)


@contextmanager
def _constant(answer: bytes) -> Generator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running([sys.executable, str(_HERE / "constant.py"), str(port)]) as process:
        assert process.stdin is not None
        process.stdin.write(answer)
        process.stdin.close()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Served(port, process.pid)


@contextmanager
def _running(words: list[str]) -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _answer(served: Served, request: bytes) -> bytes:
    """Return the body of an answer."""
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        came = b""
        while part := connection.recv(65_536):
            came += part
    return came.split(b"\r\n\r\n", 1)[1]


def _configure(served: Served, key: str, frequency: str) -> None:
    body = json.dumps({"modelExportFrequency": frequency}).encode()
    request = _wire(body, key).replace(
        f"POST {_PATH}/rank".encode(), f"PUT {_PATH}/configurations/service".encode()
    )
    _answer(served, request)


def _open_loops(served: Served, key: str) -> float:
    request = _wire(b"", key).replace(f"POST {_PATH}/rank".encode(), b"GET /metrics")
    lines = _answer(served, request).decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("loopledger_open_loops "))
