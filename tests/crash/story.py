"""A loop's short life, told again and again, and ended at every write: `python story.py FOLDER`.

Each life is a fork with a folder of its own, ended before a write or, every other one, in the
middle of it. What it had acknowledged goes to the standard
output, a line of JSON each. The last life is the one that nobody ended.
"""

import ctypes
import json
import os
import signal
import sys
from functools import partial
from itertools import count
from pathlib import Path

from support import ACTIONS, GREEDY, TinyLearner, context_of

from loopledger.actor import Letter
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.replies import BlockingReply
from loopledger.adapters.sqlite import journal
from loopledger.clock import SimulatedClock
from loopledger.commands import ChangeSettings, Rank, Reward
from loopledger.log import eraser
from loopledger.log.erasing import marks_of
from loopledger.settings import Settings

ERASED = ["batch-1", "batch-3"]
SETTINGS = Settings(reward_wait_time=60.0, model_update_frequency=0, checkpoint_interval=3)


class Learner(TinyLearner):
    def close(self):
        """End no processes: there are none."""


def opened(folder, clock):
    directory = Directory(folder, clock, workers=1, open_loops=2, most_waiting=100)
    directory.learner.close()
    directory.learner = Learner()
    return directory


def rank(event_id):
    return Rank(event_id, True, context_of({"hour": len(event_id)}), tuple(ACTIONS), (), False)


def live(folder, say):
    # Seldom is a log's write-ahead file moved into it; here it is several times.
    journal._CHECKPOINT_BYTES = 60_000
    clock = SimulatedClock()
    directory = opened(folder, clock)
    directory.create("loop", SETTINGS, GREEDY)
    say("created")
    session = directory.get("loop")
    for number in range(4):
        event_id = f"event-{number}"
        say("ranked", event_id, session.ask(rank(event_id)).action)
        say("at", session.ask(Reward(event_id, 0.5)).seq)
        clock.advance(1)
    clock.advance(60)
    say("trained", session.train()[-1])
    session.ask(ChangeSettings({"reward_wait_time": 5}))
    say("at", session.state.seq)
    # Several commands in one letter are one transaction.
    session.inbox.submit(Letter([rank(f"batch-{number}") for number in range(5)], reply := BlockingReply()))
    say("ranked", "batch-0", reply.wait().action)
    clock.advance(5)
    say("trained", session.train()[-1])
    # Two transactions: the first puts a model into the log.
    eraser._PORTION = 1
    session.eraser.erase(partial(marks_of, event_ids=ERASED), lambda: session.state)
    say("erased")
    directory.close()
    say("closed")


def one_life(folder, life, write):
    def say(*words):
        os.write(write, json.dumps(words).encode() + b"\n")

    failed = 1
    try:
        ctypes.CDLL(None).killer_arm(ctypes.c_long(life), life % 2)
        live(folder, say)
        failed = 0
    finally:
        os._exit(failed)


def main(folder):
    for life in count(1):
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            one_life(Path(folder) / f"{life:04d}", life, write)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as lines:
            said = [json.loads(line) for line in lines]
        _, status = os.waitpid(process, 0)
        os.write(1, json.dumps({"life": life, "said": said, "status": status}).encode() + b"\n")
        if status != signal.SIGKILL:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
