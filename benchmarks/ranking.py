"""Durable Rank: many callers against plain prediction, one caller against prediction and a sync."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import Ratios, Row, quiet
from traffic import VARIETY, Request, Taught, taught

import loopledger

ACTIONS = (5, 10, 50)
_MANY = (16, 256)
_AT_ONCE = {5: 4096, 10: 3072, 50: 1024}
_ALONE = 100
CATALOGUE = 100


def many_callers(folder: Path, rounds: int, *, compression: bool = False) -> Iterator[Row]:
    """Yield throughput with many callers, as a share of `Workspace.predict` of the same JSON.

    First with actions that come again and again, then with requests that have actions of their own: what
    is remembered of actions is shared by all of a program's loops, and those would be in the way of these.
    """
    how = ", compressed" if compression else ""
    again = [("JSON", max(_MANY))]
    for actions in ACTIONS:
        with taught(actions, folder, CATALOGUE, compression=compression) as prepared:
            of = f" of {CATALOGUE}{how}"
            yield from asyncio.run(_many_callers(actions, prepared, rounds, again, of))
    each = [(form, callers) for callers in _MANY for form in ("objects", "JSON")]
    for actions in ACTIONS:
        with taught(actions, folder, compression=compression) as prepared:
            yield from asyncio.run(_many_callers(actions, prepared, rounds, each, how))


async def _many_callers(
    actions: int, prepared: Taught, rounds: int, kinds: list[tuple[str, int]], how: str
) -> list[Row]:
    total = _AT_ONCE[actions]
    throughput = {kind: Ratios() for kind in kinds}
    work = {kind: Ratios() for kind in kinds}
    async with loopledger.open_async(prepared.folder) as ledger:
        loop = await ledger.loop(prepared.name)
        quiet()
        for _ in range(rounds):
            for form, callers in kinds:
                kind = form, callers
                before, work_before = _predict(prepared, total // 2)
                rate, rank_us = await _rate(loop, prepared.requests, total, callers, form)
                after, work_after = _predict(prepared, total // 2)
                plain, predict_us = (before + after) / 2, (work_before + work_after) / 2
                throughput[kind].add(rate / plain, ranks_per_second=rate, predicts_per_second=plain)
                work[kind].add(predict_us / rank_us, rank_us=rank_us, predict_us=predict_us)
    rows: list[Row] = []
    for form, callers in kinds:
        conditions = f"{actions} actions{how}, {callers} callers, {form}"
        goal = (1.0 if " of " in how else 0.6) if callers == max(_MANY) else None
        what = "durable Rank, many callers"
        rows.append(throughput[form, callers].row(what, "plain predict", conditions, at_least=goal))
        rows.append(work[form, callers].row(f"{what}, processor time", "plain predict", conditions))
    return rows


def _predict(prepared: Taught, count: int) -> tuple[float, float]:
    """Return how many predictions there are in a second, and the microseconds of processor time of one."""
    begun, work = time.perf_counter(), time.process_time()
    for number in range(count):
        prepared.predict(number)
    return count / (time.perf_counter() - begun), (time.process_time() - work) / count * 1e6


async def _rate(
    loop: loopledger.AsyncLoop, requests: list[Request], total: int, callers: int, form: str
) -> tuple[float, float]:
    """Return the same of Ranks, with the processor time of all threads."""
    numbers = iter(range(total))

    async def objects() -> None:
        for number in numbers:
            request = requests[number % VARIETY]
            await loop.rank(request.context, request.actions)

    async def as_json() -> None:
        for number in numbers:
            await loop.rank_json(requests[number % VARIETY].json)

    caller = objects if form == "objects" else as_json
    begun, work = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return total / (time.perf_counter() - begun), (time.process_time() - work) / total * 1e6


def one_caller(folder: Path, rounds: int, *, compression: bool = False) -> Iterator[Row]:
    """Yield the time of one caller's Rank over that of a prediction and a sync.

    The sync is that of a file to which as many bytes are appended as a decision has. It is
    compared in two ways: with prediction and sync done in turns, as a Rank has to do them, and
    with the sum of many predictions and many syncs, each timed for itself. In turns both cost
    more, because each pushes out of the processor's caches what the other left there.
    """
    for actions in ACTIONS:
        with taught(actions, folder, compression=compression) as prepared:
            yield from _one_caller(f"{actions} actions{', compressed' * compression}", prepared, rounds)


def _one_caller(how: str, prepared: Taught, rounds: int) -> Iterator[Row]:
    in_turns = {"objects": Ratios(), "JSON": Ratios()}
    apart = {"objects": Ratios(), "JSON": Ratios()}
    file = os.open(prepared.folder / "synced", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    content = b"x" * prepared.logged

    def sync(_: int) -> None:
        os.write(file, content)
        os.fsync(file)

    def both(number: int) -> None:
        prepared.predict(number)
        sync(number)

    with loopledger.open(prepared.folder) as ledger:
        loop = ledger.loop(prepared.name)

        def objects(number: int) -> None:
            request = prepared.requests[number % VARIETY]
            loop.rank(request.context, request.actions)

        def as_json(number: int) -> None:
            loop.rank_json(prepared.requests[number % VARIETY].json)

        quiet()
        for _ in range(rounds):
            for form, rank in (("objects", objects), ("JSON", as_json)):
                alone = _each(prepared.predict) + _each(sync)
                ranked = _each(rank)
                together = _each(both)
                in_turns[form].add(ranked / together, rank_us=ranked, predict_and_sync_us=together)
                apart[form].add(ranked / alone, rank_us=ranked, predict_and_sync_us=alone)
    os.close(file)
    for against, gathered in (("predict + fsync, in turns", in_turns), ("predict + fsync, apart", apart)):
        for form, ratios in gathered.items():
            conditions = f"{how}, 1 caller, {form}"
            yield ratios.row("durable Rank, one caller", against, conditions, at_most=1.5)


def _each(function: Callable[[int], object]) -> float:
    begun = time.perf_counter()
    for number in range(_ALONE):
        function(number)
    return (time.perf_counter() - begun) / _ALONE * 1e6
