"""Logs as long as one likes, made quickly: whole transactions of decisions and rewards."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from traffic import Request, requests

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.adapters.ready import default_policy
from loopledger.adapters.vw.learner import VwLearner
from loopledger.commands import Rank, Reward
from loopledger.deciding.context import build_context
from loopledger.learning.trainer import Trainer
from loopledger.log.events import LoopCreated
from loopledger.loop import Loop, create
from loopledger.settings import Settings

_BATCH = 1000


def write(
    folder: Path,
    name: str,
    decisions: int,
    *,
    actions: int = 5,
    train_every: int | None = 20_000,
    sent: Sequence[Request] = (),
    compression: bool = False,
    at_once: int = _BATCH,
) -> None:
    """Make a loop with a log of decisions, each with a reward, trained as it goes unless told not to.

    Commands go straight to the loop, without an actor and with as many in a transaction as fit:
    the log is that of ordinary traffic, only sooner.
    """
    clock = loopledger.SimulatedClock()
    place = in_folder(folder / name)
    settings = Settings(model_update_frequency=0.0, compression=compression)
    create(place.store, clock, LoopCreated(loop_id=name, settings=settings, policy=default_policy()))
    learner = VwLearner()
    ranks = [_rank(request, settings) for request in sent or requests(actions)]
    with closing(Loop(place.store, learner, clock, place.checkpoints)) as loop:

        def ask(command: object) -> object:
            answer = loop.execute([command])[0]  # type: ignore[list-item]
            if isinstance(answer, Exception):
                raise answer
            return answer

        trainer = Trainer(place.store, learner, place.checkpoints, ask)  # type: ignore[arg-type]
        for first in range(0, decisions, at_once):
            batch: list[Rank | Reward] = []
            for number in range(first, min(first + at_once, decisions)):
                event_id = f"decision-{number:09d}"
                batch.append(msgspec.structs.replace(ranks[number % len(ranks)], event_id=event_id))
                batch.append(Reward(event_id, float(number % 3 == 0)))
            loop.execute(batch)
            clock.advance(10)
            if train_every and (first + at_once) % train_every == 0:
                clock.advance(700)
                trainer.train(lambda: settings.checkpoint_interval)
        if train_every:
            clock.advance(700)
            trainer.train(lambda: settings.checkpoint_interval)
    learner.close()


def _rank(request: Request, settings: Settings) -> Rank:
    names, features = list(request.actions), list(request.actions.values())
    context = build_context(request.context, names, features, settings.limits)
    return Rank("", named=True, context=context, actions=tuple(names), excluded=(), deferred=False)
