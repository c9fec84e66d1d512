"""Memory: of a loop that is open, and of ranking for a long time. Each in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from history import write
from measure import Row, quiet, resident, rounded
from traffic import VARIETY, requests

import loopledger

_LOOPS = 64
_RANKS = 50_000
_STRETCHES = 6


def memory(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the bytes that an open loop takes, and that ranking leaves behind."""
    del rounds
    for part in ("open_loops", "ranking"):
        with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
            done = subprocess.run([sys.executable, __file__, part, data], check=True, capture_output=True)
            yield msgspec.json.decode(done.stdout, type=Row)


def open_loops(data: Path) -> Row:
    """Return the memory of many open loops, each with a model that answers."""
    request = requests(5)[0]
    for number in range(_LOOPS + 1):
        write(data, f"loop-{number}", 1_000)
    with loopledger.open(data) as ledger:
        ledger.loop("loop-0").rank(request.context, request.actions)
        before = resident()
        for number in range(1, _LOOPS + 1):
            ledger.loop(f"loop-{number}").rank(request.context, request.actions)
        each = (resident() - before) / _LOOPS
    with loopledger.open(data, open_loops=4) as ledger:
        before = resident()
        for number in range(_LOOPS + 1):
            ledger.loop(f"loop-{number}").rank(request.context, request.actions)
        bounded = resident() - before
    return Row(
        work="memory of an open loop",
        against="a process with one",
        conditions=f"{_LOOPS} loops open, each with a model of 2^18 weights",
        ratio=round(each / 2**20, 2),
        spread=(round(each / 2**20, 2), round(each / 2**20, 2)),
        goal="stated, and bounded by closing idle loops (ratio: MB)",
        met=None,
        figures={
            "megabytes_each": rounded(each / 2**20),
            "megabytes_if_4_may_be_open": rounded(bounded / 2**20),
        },
    )


def ranking(data: Path) -> Row:
    """Return how much memory grows from one stretch of Ranks to the next."""
    return asyncio.run(_ranking(data))


async def _ranking(data: Path) -> Row:
    sent = requests(5)
    write(data, "news", 1_000)
    sizes: list[int] = []
    async with loopledger.open_async(data) as ledger:
        loop = await ledger.loop("news")

        async def caller(numbers: Iterator[int]) -> None:
            for number in numbers:
                await loop.rank_json(sent[number % VARIETY].json)

        for _ in range(_STRETCHES):
            numbers = iter(range(_RANKS))
            await asyncio.gather(*(caller(numbers) for _ in range(64)))
            quiet()
            sizes.append(resident())
    grown = (sizes[-1] - sizes[1]) / (_RANKS * (_STRETCHES - 2))
    return Row(
        work="memory while ranking",
        against="itself, 200,000 Ranks earlier",
        conditions=f"{_RANKS * _STRETCHES:,} Ranks, 5 actions, 64 callers",
        ratio=round(sizes[-1] / sizes[1], 3),
        spread=(round(min(sizes[1:]) / sizes[1], 3), round(max(sizes[1:]) / sizes[1], 3)),
        goal="flat: at most 1.02",
        met=sizes[-1] / sizes[1] <= 1.02,
        figures={
            "bytes_for_each_rank": rounded(grown),
            "megabytes": [round(size / 2**20, 1) for size in sizes],
        },
    )


if __name__ == "__main__":
    parts = {"open_loops": open_loops, "ranking": ranking}
    sys.stdout.buffer.write(msgspec.json.encode(parts[sys.argv[1]](Path(sys.argv[2]))))
