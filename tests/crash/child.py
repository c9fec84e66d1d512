"""What the tests of crashes kill: `python child.py WHAT FOLDER ...`.

Whatever is acknowledged is said at once, a line each, in one write: what the parent reads was
answered before the end came.
"""

import asyncio
import itertools
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import loopledger
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.files import FileCheckpoints
from loopledger.settings import Settings

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}
# A reward wait so short that there is always something to learn.
QUICK = Settings(reward_wait_time=0.02, model_update_frequency=0, checkpoint_interval=25)


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def context(event_id):
    return {"length": len(event_id), "last": event_id[-1]}


def opened(folder):
    return Ledger(folder, workers=1).loop("loop", create=True, settings=QUICK)


def traffic(folder, life):
    """Decide, reward and train for ever."""
    loop = opened(folder)
    threading.Thread(target=train, args=(loop,), daemon=True).start()
    for number in itertools.count():
        event_id = f"{life}-{number}"
        decision = loop.rank(context(event_id), ACTIONS, event_id=event_id)
        say("ranked", event_id, decision.action, decision.probability, decision.model_version)
        receipt = loop.reward(event_id, float(decision.action == "b"))
        say("rewarded", event_id, receipt.seq)


def train(loop):
    with suppress(loopledger.LoopledgerError):  # the program ends, and closes what it forgot
        while True:
            for version in loop.train():
                say("trained", version)


def crowd(folder, life):
    """Decide for many at a time, so that a transaction holds several decisions."""

    async def ask(loop, caller):
        for number in itertools.count():
            event_id = f"{life}-{caller}-{number}"
            decision = await loop.rank(context(event_id), ACTIONS, event_id=event_id)
            say("ranked", event_id, decision.action, decision.probability, decision.model_version)

    async def main():
        async with loopledger.open_async(folder, workers=1) as ledger:
            loop = await ledger.loop("loop", create=True, settings=QUICK)
            await asyncio.gather(*[ask(loop, caller) for caller in range(20)])

    asyncio.run(main())


def create(folder, life):
    """Make one loop after the other."""
    with Ledger(folder, workers=1) as ledger:
        for number in itertools.count():
            name = f"loop-{life}-{number}"
            ledger.create(name)
            say("created", name)


def half_a_checkpoint(folder, what):
    """Die when half of a checkpoint is written."""
    write = Path.write_bytes

    def half(path, content):
        if what not in path.name:
            return write(path, content)
        write(path, content[: len(content) // 2])
        say("dying", path.name)
        os.kill(os.getpid(), 9)
        return None

    loop = opened(folder)
    for number in range(40):
        event_id = f"half-{number}"
        loop.rank(context(event_id), ACTIONS, event_id=event_id)
    time.sleep(0.05)
    Path.write_bytes = half
    say("training")
    loop.train()


def before_a_checkpoint(folder):
    """Die when a model is in the log and its bytes are nowhere else."""

    def die(_, version, model):
        say("dying", version, len(model))
        os.kill(os.getpid(), 9)

    FileCheckpoints.save_model = die
    loop = opened(folder)
    for number in range(40):
        event_id = f"before-{number}"
        loop.rank(context(event_id), ACTIONS, event_id=event_id)
    time.sleep(0.05)
    say("training")
    loop.train()


def learn(folder):
    """Have a worker process that waits for more examples, for ever."""
    ledger = Ledger(folder, workers=1)
    loop = ledger.loop("loop", create=True, settings=QUICK)
    loop.rank({}, ACTIONS, event_id="e")
    time.sleep(0.05)
    workers = ledger.directory.learner._workers

    def slowly(examples):
        yield from examples
        say("worker", next(iter(workers._busy)).process)
        time.sleep(600)

    fold = ledger.directory.learner.fold
    ledger.directory.learner.fold = lambda policy, parent, examples: fold(policy, parent, slowly(examples))
    loop.train()


def idle(folder):
    """Have a worker process that has nothing to do."""
    ledger = Ledger(folder, workers=1)
    ledger.loop("loop", create=True, settings=QUICK)
    (worker,) = ledger.directory.learner._workers._idle
    say("worker", worker.process)
    time.sleep(600)


def hold(folder):
    """Hold a loop open."""
    loop = opened(folder)
    loop.rank({}, ACTIONS, event_id="held")
    say("held")
    time.sleep(600)


def forget(folder):
    """Forget to close a ledger with open loops, idle workers and a timer."""
    ledger = Ledger(folder, workers=1)
    for name in ("one", "two"):
        loop = ledger.loop(name, create=True)
        loop.rank({}, ACTIONS, event_id="e")
    next(loop.log())
    say("done")


def forget_async(folder):
    """Forget to close a ledger, without blocking."""

    async def main():
        ledger = await loopledger.open_async(folder, workers=1).__aenter__()
        loop = await ledger.create("one")
        await asyncio.gather(*[loop.rank({}, ACTIONS) for _ in range(10)])
        entries = loop.log()
        await anext(entries)
        say("done")

    asyncio.run(main())


def forget_at_work(folder):
    """Forget a ledger whose loop is being trained in another thread."""
    # The end of the program may come while that thread has a temporary folder.
    warnings.simplefilter("ignore", ResourceWarning)
    loop = opened(folder)
    threading.Thread(target=train, args=(loop,), daemon=True).start()
    for _ in range(50):
        loop.rank({}, ACTIONS)
    say("done")


def fail(folder):
    """End with an error and a ledger left open."""
    loop = opened(folder)
    loop.rank({}, ACTIONS)
    say("done")
    raise SystemExit(7)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
