"""Where the processor time of a durable Rank goes: step by step, in one thread, 128 Ranks at a time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from measure import Ratios, Row, quiet
from ranking import ACTIONS, CATALOGUE
from traffic import Taught, taught

import loopledger
from loopledger.actor import BATCH
from loopledger.adapters.embedding.building import EventIds, json_command
from loopledger.adapters.place import in_folder
from loopledger.adapters.system_clock import SystemClock
from loopledger.adapters.vw.learner import VwLearner
from loopledger.loop import Loop
from loopledger.settings import Limits


def steps(folder: Path, rounds: int) -> Iterator[Row]:
    """Yield the processor time of each step, as a share of that of `Workspace.predict` of the same JSON."""
    for actions in ACTIONS:
        with taught(actions, folder, CATALOGUE) as prepared:
            yield from _steps(prepared, rounds, f"{actions} actions of {CATALOGUE}, JSON")


def _steps(  # noqa: C901 - a function for each
    prepared: Taught, rounds: int, conditions: str
) -> Iterator[Row]:
    with loopledger.open(prepared.folder) as ledger:
        model = ledger.loop(prepared.name).model()
    learner, clock, limits = VwLearner(1), SystemClock(), Limits()
    place = in_folder(prepared.folder / prepared.name)
    loop = Loop(place.store, learner, clock, place.checkpoints)
    scorer = learner.scorer(model.policy, model.data)
    ids = EventIds(clock)
    gathered: dict[str, Ratios] = {}
    quiet()
    for _ in range(rounds + 2):
        commands = [json_command(limits, ids, request.json) for request in prepared.requests[:BATCH]]

        def read() -> None:
            for request in prepared.requests[:BATCH]:
                json_command(limits, ids, request.json)

        def ask() -> None:
            for command in commands:  # noqa: B023 - called at once
                scorer.score(command.context, command.apart)

        def ask_anew() -> None:
            for command in commands:  # noqa: B023 - called at once
                scorer.score(command.context)

        def decide_and_append() -> None:
            loop.execute(commands)  # noqa: B023 - called at once

        predict_us = _each(lambda: [prepared.predict(number) for number in range(BATCH)])
        parts = {
            "reading the request": read,
            "asking the model": ask,
            "asking it without what is kept": ask_anew,
            "deciding and appending": decide_and_append,
        }
        for step, part in parts.items():
            took = _each(part)
            gathered.setdefault(step, Ratios()).add(took / predict_us, us=took, predict_us=predict_us)
    scorer.close()
    loop.close()
    learner.close()
    for step, ratios in gathered.items():
        yield ratios.row(f"Rank, processor time of {step}", "plain predict", conditions)


def _each(part: Callable[[], object]) -> float:
    begun = time.thread_time()
    part()
    return (time.thread_time() - begun) / BATCH * 1e6
