"""Does anything grow? A soak: loops that decide, are rewarded and train by themselves, for as long as told.

`python benchmarks/soak.py` sends three million decisions; `--decisions 300000` is quicker. A few loops are
busy at a time and change places with others, so that idle ones are closed and opened again; some decisions
are asked for twice, logs and figures are read on the way. The allocator has few arenas and gives back what
is free, as in the server (`adapters/allocator.py`). Memory, file descriptors, threads and processes are
noted all along. After the warm-up a line is laid through each of them: it is flat where the whole stretch
adds less than a fiftieth to the memory, and less than one descriptor, thread or process. The program fails
if something is not flat.
"""

import asyncio
import ctypes
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from measure import conditions, resident
from rich.console import Console
from rich.table import Table
from traffic import VARIETY, requests

import loopledger
from loopledger.adapters.allocator import giving_back, use_few_arenas

_ACTIONS = 5
_CALLERS = 48
_BUSY = 3
_TURN = 2_000
_AGAIN = 50
_LOOKS = 1_000
_WARM_UP = 0.25
_SETTINGS = loopledger.Settings(reward_wait_time=2.0, model_update_frequency=2.0)
_MOST_GROWN = 0.02


class Sample(msgspec.Struct):
    """What the process took at one moment.

    Attributes:
        decisions: How many there had been.
        seconds: Since the beginning.
        megabytes: Of this process that are in memory.
        megabytes_allocated: That the C library's allocator has handed out and not got back: what is in memory
            beyond that is the allocator's own, or Python's.
        descriptors: Files that it has open.
        threads: That it has.
        processes: That learn for it.
        megabytes_of_processes: What those take.
        trained: Model versions that there were, over all loops.

    """

    decisions: int
    seconds: float
    megabytes: float
    megabytes_allocated: float
    descriptors: int
    threads: int
    processes: int
    megabytes_of_processes: float
    trained: int


class Trend(msgspec.Struct):
    """How one figure went after the warm-up.

    Attributes:
        median: Of the figure.
        grown: What the line through it adds from the first sample to the last.
        for_a_million: The same for a million decisions.
        most: That it may have grown and still be called flat.
        flat: Whether it is.

    """

    median: float
    grown: float
    for_a_million: float
    most: float
    flat: bool


_FIGURES = (
    "megabytes",
    "megabytes_allocated",
    "descriptors",
    "threads",
    "processes",
    "megabytes_of_processes",
)


class Soak:
    """Sends decisions, and notes what it takes.

    Args:
        decisions: How many.
        loops: How many loops there are.
        samples: How often to note.
        console: Is told of every sample.

    """

    def __init__(self, decisions: int, loops: int, samples: int, console: Console) -> None:
        self.samples: list[Sample] = []
        self._decisions = decisions
        self._names = [f"loop-{number}" for number in range(loops)]
        self._every = max(1, decisions // samples)
        self._console = console
        self._requests = requests(_ACTIONS)
        self._begun = time.perf_counter()
        self._trained = dict.fromkeys(self._names, 0)

    async def run(self, data: Path, open_loops: int) -> None:
        """Send them all."""
        async with _opened(data, self._names, open_loops) as loops:
            numbers = iter(range(self._decisions))
            async with asyncio.TaskGroup() as callers:
                for _ in range(_CALLERS):
                    callers.create_task(self._call(loops, numbers))
            for loop in loops:
                await self._look(loop)

    async def _call(self, loops: Sequence[loopledger.AsyncLoop], numbers: Iterator[int]) -> None:
        for number in numbers:
            loop = loops[(number // _TURN + number % _BUSY) % len(loops)]
            if number % _AGAIN:
                decision = await loop.rank_json(self._requests[number % VARIETY].json)
            else:
                request, event_id = self._requests[number % VARIETY], f"again-{number}"
                decision = await loop.rank(request.context, request.actions, event_id=event_id)
                again = await loop.rank(request.context, request.actions, event_id=event_id)
                if again != decision:
                    raise AssertionError(f"{event_id} was answered in two ways")
            await loop.reward(decision.event_id, float(number % 3 == 0))
            if number % _LOOKS == 0:
                await self._look(loop)
            if number % self._every == 0:
                self._note(number)

    async def _look(self, loop: loopledger.AsyncLoop) -> None:
        status = await loop.status()
        self._trained[loop.name] = status.counts.get("ModelTrained", 0)
        async for _ in loop.log(first=max(1, status.events - 50)):
            pass

    def _note(self, decisions: int) -> None:
        children = _children()
        sample = Sample(
            decisions=decisions,
            seconds=round(time.perf_counter() - self._begun, 1),
            megabytes=round(_resident(os.getpid()), 1),
            megabytes_allocated=round(_allocated(), 1),
            descriptors=len(list(Path("/proc/self/fd").iterdir())) - 1,
            threads=len(list(Path("/proc/self/task").iterdir())),
            processes=len(children),
            megabytes_of_processes=round(sum(map(_resident, children)), 1),
            trained=sum(self._trained.values()),
        )
        self.samples.append(sample)
        self._console.print(
            f"{decisions:,} decisions after {sample.seconds:,.0f} s: {sample.megabytes:g} MB, "
            f"{sample.megabytes_allocated:g} of them allocated, "
            f"{sample.descriptors} descriptors, {sample.threads} threads, {sample.trained} trainings",
            style="dim",
        )


@asynccontextmanager
async def _opened(
    data: Path, names: Sequence[str], open_loops: int
) -> AsyncGenerator[list[loopledger.AsyncLoop]]:
    async with loopledger.open_async(data, open_loops=open_loops) as ledger:
        yield [await ledger.loop(name, create=True, settings=_SETTINGS) for name in names]


def _resident(process: int) -> float:
    """Return the megabytes of a process that are in memory; none of one that has just ended."""
    try:
        return resident(process) / 2**20
    except (OSError, IndexError):
        return 0.0


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        *((f"other_{number}", ctypes.c_size_t) for number in range(4)),
        ("hblkhd", ctypes.c_size_t),
        *((f"other_{number}", ctypes.c_size_t) for number in range(4, 6)),
        ("uordblks", ctypes.c_size_t),
        *((f"other_{number}", ctypes.c_size_t) for number in range(6, 8)),
    ]


def _allocated() -> float:
    """Return the megabytes that were asked of glibc and not given back; 0 with another C library."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0.0
    mallinfo.restype = _Mallinfo
    found = mallinfo()
    return float(found.uordblks + found.hblkhd) / 2**20


def _children() -> list[int]:
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
        except OSError:
            continue  # it has just ended
    return found


def trends(samples: Sequence[Sample]) -> dict[str, Trend]:
    """Return how each figure went after the warm-up.

    The line is that of Theil and Sen: the median of the slopes between all pairs of samples, which a few
    samples that were taken while a loop was being opened do not move.
    """
    last = samples[-1].decisions
    settled = [sample for sample in samples if sample.decisions >= last * _WARM_UP]
    return {name: _trend(name, settled) for name in _FIGURES}


def _trend(name: str, samples: Sequence[Sample]) -> Trend:
    points = [(sample.decisions, float(getattr(sample, name))) for sample in samples]
    slope = statistics.median(
        [
            (after - before) / (later - earlier)
            for (earlier, before), (later, after) in combinations(points, 2)
        ]
    )
    median = statistics.median([value for _, value in points])
    grown = slope * (points[-1][0] - points[0][0])
    most = median * _MOST_GROWN if name.startswith("megabytes") else 1.0
    return Trend(
        median=round(median, 1),
        grown=round(grown, 2),
        for_a_million=round(slope * 1e6, 2),
        most=round(most, 2),
        flat=grown < most,
    )


def _show(found: dict[str, Trend], console: Console) -> None:
    table = Table("figure", "median", "grown", "for a million decisions", "at most", "verdict", box=None)
    for name, trend in found.items():
        verdict = "[green]flat[/]" if trend.flat else "[red]not flat[/]"
        table.add_row(
            name.replace("_", " "),
            f"{trend.median:g}",
            f"{trend.grown:g}",
            f"{trend.for_a_million:g}",
            f"{trend.most:g}",
            verdict,
        )
    console.print(table)


@click.command
@click.option("--decisions", type=click.IntRange(1_000), default=3_000_000, show_default=True)
@click.option("--loops", type=click.IntRange(1), default=12, show_default=True)
@click.option("--open-loops", type=click.IntRange(1), default=5, show_default=True, help="At a time.")
@click.option("--samples", type=click.IntRange(8), default=100, show_default=True, help="How often to note.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=Path(), help="On which disk.")
@click.option("--out", type=click.Path(path_type=Path), help="Write all samples there, as JSON.")
@click.option("--many-arenas", is_flag=True, help="Leave the allocator alone; the server does not.")
def main(
    decisions: int,
    loops: int,
    open_loops: int,
    samples: int,
    folder: Path,
    out: Path | None,
    *,
    many_arenas: bool,
) -> None:
    """Send decisions and say what grows."""
    if not many_arenas:
        use_few_arenas()
    console = Console(stderr=True)
    soak = Soak(decisions, loops, samples, console)
    with (
        TemporaryDirectory(dir=folder, prefix="soak-") as data,
        nullcontext() if many_arenas else giving_back(),
    ):
        asyncio.run(soak.run(Path(data), open_loops))
    found = trends(soak.samples)
    _show(found, Console(width=None if sys.stdout.isatty() else 120))
    if out is not None:
        report = {
            "command": f"python benchmarks/soak.py --decisions {decisions} --loops {loops}"
            f" --open-loops {open_loops}{' --many-arenas' if many_arenas else ''}",
            "conditions": conditions(folder),
            "trends": found,
            "samples": soak.samples,
        }
        out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if not all(trend.flat for trend in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
