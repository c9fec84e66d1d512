"""Rank while another thread of the process computes, as it does when learning lines are made."""

import asyncio
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Ratios, Row, quiet
from traffic import VARIETY, Taught, taught

import loopledger

_INTERVALS = (0.005, 0.001, 0.0005, 0.0001)
_ASKED = 100


def waiting(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield how long a Rank takes beside a thread that computes, for some switch intervals."""
    with taught(10, folder) as prepared:
        yield from asyncio.run(_waiting(prepared, rounds))


async def _waiting(prepared: Taught, rounds: int) -> list[Row]:
    gathered = {interval: Ratios() for interval in _INTERVALS}
    usual = sys.getswitchinterval()
    async with loopledger.open_async(prepared.folder) as ledger:
        loop = await ledger.loop(prepared.name)
        quiet()
        for _ in range(rounds):
            for interval, ratios in gathered.items():
                sys.setswitchinterval(interval)
                alone = await _median(loop, prepared)
                with _computing():
                    beside = await _median(loop, prepared)
                sys.setswitchinterval(usual)
                ratios.add(beside / alone, alone_ms=alone, beside_ms=beside)
    return [
        ratios.row(
            "durable Rank, another thread computing",
            "alone",
            f"10 actions, 1 caller, async, a switch interval of {interval * 1000:g} ms",
        )
        for interval, ratios in gathered.items()
    ]


async def _median(loop: loopledger.AsyncLoop, prepared: Taught) -> float:
    took: list[float] = []
    for number in range(_ASKED):
        begun = time.perf_counter()
        await loop.rank_json(prepared.requests[number % VARIETY].json)
        took.append(time.perf_counter() - begun)
    return sorted(took)[_ASKED // 2] * 1000


@contextmanager
def _computing() -> Generator[None]:
    enough = threading.Event()

    def compute() -> None:
        while not enough.is_set():
            sum(number * number for number in range(200))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
