"""Beside others: deciding and taking a reward, against the closest Python libraries that do one or both.

The others learn at once, which a loop does later, in batches and in another process. None of them
does what a loop does, so each line says what it leaves out. They are installed by
`pip install 'loopledger[comparison]'`; the one that is missing is passed over.
"""

# pyright: reportMissingImports=false
import asyncio
import random  # noqa: TID251 - seeded, and outside the loop
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from measure import Ratios, Row, quiet
from traffic import VARIETY, Request, Taught, taught

import loopledger

_ACTIONS = 10
_AT_A_TIME = 200
_CALLERS = 64
_BEFORE = 400

Step = Callable[[int], object]


class Other(NamedTuple):
    """Another way to do some of it.

    Attributes:
        what: It is, and what of a decision's life it leaves out.
        needs: The module without which it cannot be measured; none for what the loop itself needs.
        made: Sets it up, and returns what does the so-manyth step.

    """

    what: str
    needs: str | None
    made: Callable[[Taught, Path], Step]


def beside(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield how many times as many decisions and rewards a loop takes in a second as others do."""
    with taught(_ACTIONS, folder) as prepared:
        others = [(other, other.made(prepared, prepared.folder)) for other in OTHERS if _is_here(other)]
        gathered = {(other.what, callers): Ratios() for other, _ in others for callers in (1, _CALLERS)}
        with loopledger.open(prepared.folder) as ledger:
            one = _one_caller(ledger.loop(prepared.name), prepared.requests)
            quiet()
            for _ in range(rounds):
                for other, step in others:
                    ours, theirs = _rate(one), _rate(step)
                    gathered[other.what, 1].add(ours / theirs, ours_per_second=ours, theirs_per_second=theirs)
        for _ in range(rounds):
            crowd = asyncio.run(_crowd(prepared))
            for other, step in others:
                theirs = _rate(step)
                many = gathered[other.what, _CALLERS]
                many.add(crowd / theirs, ours_per_second=crowd, theirs_per_second=theirs)
    for (what, callers), ratios in gathered.items():
        who = "1 caller" if callers == 1 else f"{callers} callers, the other one"
        yield ratios.row("decide, and take a reward, both durable", what, f"{_ACTIONS} actions, {who}")


def _is_here(other: Other) -> bool:
    return other.needs is None or find_spec(other.needs) is not None


def _rate(step: Step) -> float:
    begun = time.perf_counter()
    for number in range(_AT_A_TIME):
        step(number)
    return _AT_A_TIME / (time.perf_counter() - begun)


def _one_caller(loop: loopledger.Loop, requests: list[Request]) -> Step:
    def step(number: int) -> None:
        loop.reward(loop.rank_json(requests[number % VARIETY].json).event_id, 1.0)

    return step


async def _crowd(prepared: Taught) -> float:
    numbers = iter(range(_AT_A_TIME * 10))
    async with loopledger.open_async(prepared.folder) as ledger:
        loop = await ledger.loop(prepared.name)

        async def caller() -> None:
            for number in numbers:
                decision = await loop.rank_json(prepared.requests[number % VARIETY].json)
                await loop.reward(decision.event_id, 1.0)

        begun = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(_CALLERS)))
        return _AT_A_TIME * 10 / (time.perf_counter() - begun)


def _vowpalwabbit(prepared: Taught, folder: Path) -> Step:
    """Decide and learn with the binding alone, from the JSON that it needs ready made."""
    del folder
    contexts = prepared.contexts
    label = '{"_label_cost":-1,"_label_probability":0.5,"_label_Action":1,"_labelIndex":0,'
    labelled = [label + text[1:] for text in contexts]

    def step(number: int) -> None:
        prepared.plain.predict(contexts[number % VARIETY])
        prepared.plain.learn(labelled[number % VARIETY])

    return step


def _mabwiser(prepared: Taught, folder: Path) -> Step:
    del folder
    from mabwiser.mab import MAB, LearningPolicy  # noqa: PLC0415 - may be missing

    chance = random.Random(1)
    arms = list(prepared.requests[0].actions)
    vectors = [[_numbers(request.context)] for request in prepared.requests]
    bandit = MAB(arms, LearningPolicy.LinGreedy(epsilon=0.1), seed=1)
    known = [chance.randrange(VARIETY) for _ in range(_BEFORE)]
    rewards = [float(chance.random() < 0.5) for _ in known]
    bandit.fit([chance.choice(arms) for _ in known], rewards, [vectors[at][0] for at in known])

    def step(number: int) -> None:
        vector = vectors[number % VARIETY]
        bandit.partial_fit([bandit.predict(vector)], [1.0], vector)

    return step


def _river(prepared: Taught, folder: Path) -> Step:
    del folder
    from river.bandit import LinUCBDisjoint  # noqa: PLC0415 - may be missing

    arms: list[int | str] = list(prepared.requests[0].actions)
    contexts = [dict(enumerate(_numbers(request.context))) for request in prepared.requests]
    bandit: Any = LinUCBDisjoint(alpha=1.0, seed=1)

    def step(number: int) -> None:
        context = contexts[number % VARIETY]
        bandit.update(bandit.pull(arms, context=context), context, 1.0)

    return step


def _eventsourcing(prepared: Taught, folder: Path) -> Step:
    from eventsourcing.persistence import StoredEvent  # noqa: PLC0415 - may be missing
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore  # noqa: PLC0415

    recorder = SQLiteApplicationRecorder(SQLiteDatastore(str(folder / "events.db")))
    recorder.create_table()
    versions = count(1)
    bodies = (b"x" * prepared.logged, b'{"value":1.0}')

    def step(_: int) -> None:
        for body in bodies:
            event: Any = StoredEvent(
                originator_id=UUID(int=1), originator_version=next(versions), topic="decision", state=body
            )
            recorder.insert_events([event])

    return step


def _numbers(context: dict[str, Any]) -> list[float]:
    """Return a context as others take it: numbers, with a place for each text there may be."""
    numbers = [value for value in context.values() if isinstance(value, float)]
    texts = [float(context["device"] == device) for device in ("mobile", "desktop")]
    return [*numbers, *texts, *(float(context["hour"] == hour) for hour in "abcd")]


OTHERS = (
    Other(
        "plain vowpalwabbit, predict and learn: no draw, no log, no join, JSON ready made",
        None,
        _vowpalwabbit,
    ),
    Other(
        "mabwiser LinGreedy, predict and partial_fit: in memory, no features of actions, no probabilities",
        "mabwiser",
        _mabwiser,
    ),
    Other(
        "river LinUCBDisjoint, pull and update: in memory, no features of actions, no probabilities",
        "river",
        _river,
    ),
    Other(
        "eventsourcing's SQLite recorder, two appends: decides and learns nothing",
        "eventsourcing",
        _eventsourcing,
    ),
)
