"""What is large: many loops in a folder, many bytes a second, and a log of ten million events."""

import asyncio
import io
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from auditing import Nowhere, verified
from history import write
from measure import Ratios, Row, resident, rounded, seconds
from traffic import VARIETY, requests

import loopledger
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder
from loopledger.adapters.vw.learner import VwLearner

_LOOPS = (1_000, 10_000)
_OPEN = 50
_PUBLISHED = 2_000 * 10_000
"""Bytes a second: 2,000 decisions of 10 kB each, Personalizer's published scale."""

_LARGE = (50, 30_000)
_DECISIONS = 5_000_000
_OF_ALL_EVENTS = ("verify", "export as dsjson", "export of events")


def many_loops(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the memory of a process that has decided in ten thousand loops, against one thousand."""
    del rounds
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
        done = subprocess.run([sys.executable, __file__, data], check=True, capture_output=True)
        yield msgspec.json.decode(done.stdout, type=Row)


def _in_many_loops(data: Path) -> Row:
    request = requests(5)[0]
    sizes: list[float] = []
    slowest = 0.0
    with loopledger.open(data, open_loops=_OPEN) as ledger:
        begun = time.perf_counter()
        for number in range(max(_LOOPS)):
            ledger.create(f"loop-{number}")
        creating = (time.perf_counter() - begun) / max(_LOOPS)
        begun = time.perf_counter()
        for number in range(max(_LOOPS)):
            took = seconds(lambda at=number: ledger.loop(f"loop-{at}").rank(request.context, request.actions))  # type: ignore[misc]
            slowest = max(slowest, took)
            if number + 1 in _LOOPS:
                sizes.append(resident() / 1e6)
        opening = (time.perf_counter() - begun) / max(_LOOPS)
        listing = seconds(ledger.loops)
    ratios = Ratios()
    ratios.add(sizes[1] / sizes[0], megabytes_after_1000=sizes[0], megabytes_after_10000=sizes[1])
    return ratios.row(
        "memory after a Rank in each of 10,000 loops",
        "after 1,000",
        f"5 actions, at most {_OPEN} loops open",
        at_most=1.2,
        create_ms=rounded(creating * 1e3),
        open_rank_and_close_ms=rounded(opening * 1e3),
        slowest_ms=rounded(slowest * 1e3),
        list_all_ms=rounded(listing * 1e3),
    )


def keeping_up(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield how fast large decisions are learned while others are made, against Personalizer's scale."""
    actions, decisions = _LARGE
    sent = [request.json for request in requests(actions)]
    size = sum(map(len, sent)) / len(sent)
    ratios = Ratios()
    for _ in range(max(1, rounds)):
        with TemporaryDirectory(dir=folder, prefix="benchmark-") as data:
            write(Path(data), "news", decisions, actions=actions, train_every=None)
            learned, ranked = asyncio.run(_learn_while_ranking(Path(data), sent, decisions))
            figures = {"learned_per_second": learned, "ranked_meanwhile_per_second": ranked}
            ratios.add(learned * size / _PUBLISHED, **figures)
    yield ratios.row(
        "learning while Ranks are answered",
        "2,000 decisions of 10 kB a second, in bytes",
        f"{actions} actions, requests of {size / 1e3:.1f} kB, 64 callers as fast as they can",
        at_least=1.0,
    )


async def _learn_while_ranking(data: Path, sent: list[bytes], decisions: int) -> tuple[float, float]:
    """Return decisions learned, and decisions made meanwhile, a second."""
    ranked = 0
    async with loopledger.open_async(data) as ledger:
        loop = await ledger.loop("news")
        training = asyncio.create_task(loop.train())

        async def caller(first: int) -> None:
            nonlocal ranked
            number = first
            while not training.done():
                await loop.rank_json(sent[number % VARIETY])
                number += 64
                ranked += 1

        begun = time.perf_counter()
        callers = [asyncio.create_task(caller(first)) for first in range(64)]
        await training
        took = time.perf_counter() - begun
        await asyncio.gather(*callers)
        if sum(model.decisions for model in await loop.models()) < decisions:
            raise AssertionError("not everything was learned")
    return decisions / took, ranked / took


def ten_million(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield what it takes to open, query, verify and export ten million events: nearly an hour in all."""
    del rounds
    with TemporaryDirectory(dir=folder, prefix="benchmark-") as name:
        data = Path(name)
        write(data, "small", 10_000, train_every=5_000)
        making = seconds(lambda: write(data, "news", _DECISIONS, train_every=100_000))
        request = requests(5)[0]
        opened = {}
        for loop in ("small", "news", "small", "news"):
            with loopledger.open(data) as ledger:
                opened[loop] = seconds(lambda at=loop: ledger.loop(at).rank(request.context, request.actions))  # type: ignore[misc]
        with closing(VwLearner()) as learner:
            view = LoopView("news", in_folder(data / "news"), learner)
            events = view.status().events
            size = Path(data, "news", "log.db").stat().st_size
            where = f"{events:,} events, {size / 1e9:.1f} GB"
            ratios = Ratios()
            ratios.add(
                opened["news"] / opened["small"], milliseconds=opened["news"] * 1e3, made_in_seconds=making
            )
            yield ratios.row("opening a loop, and a first Rank", "20,000 events", where, at_most=1.25)
            yield from _asked(view, events, where)


def _asked(view: LoopView, events: int, where: str) -> Iterator[Row]:
    middle = f"decision-{_DECISIONS // 2:09d}"
    work: dict[str, Callable[[], object]] = {
        "log, one event id": lambda: list(view.log(event_id=middle)),
        "why, a decision in the middle": lambda: view.why(middle),
        "verify": lambda: verified(view),
        "export as dsjson": lambda: view.export(io.BufferedWriter(Nowhere()), format="dsjson"),
        "export of events": lambda: view.export(io.BufferedWriter(Nowhere()), format="events"),
    }
    for name, do in work.items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        took = seconds(do)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
        ratios = Ratios()
        whole = {"events_per_second": events / took} if name in _OF_ALL_EVENTS else {}
        ratios.add(took, **whole, megabytes_more=grown)
        yield ratios.row(name, "one second", where)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_in_many_loops(Path(sys.argv[1]))))
