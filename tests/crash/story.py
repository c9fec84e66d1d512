"""A loop's short life, told again and again: `python story.py HOW FOLDER`, with a disk that may go wrong.

Each life is a fork with a folder of its own; what it had acknowledged goes to the standard output,
a line of JSON each. `killed` ends them before a write or, every other one, in the middle of it; the
last life is the one that nobody ended. `recorded` tells it once, and writes down what the disk was told.
"""

import json
import os
import signal
import stat
import sys
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import patch

import faulty
from support import ACTIONS, GREEDY, TinyLearner, context_of

from loopledger.actor import Letter
from loopledger.adapters.embedding import directory
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
    with patch.object(directory, "VwLearner", lambda _: Learner()):
        return Directory(folder, clock, workers=1, open_loops=2, most_waiting=100)


def rank(event_id):
    return Rank(event_id, True, context_of({"hour": len(event_id)}), tuple(ACTIONS), (), False)


def live(folder, say):
    # Seldom is a log's write-ahead file moved into it; here it is several times.
    journal._CHECKPOINT_BYTES = 60_000
    clock = SimulatedClock()
    loops = opened(folder, clock)
    loops.create("loop", SETTINGS, GREEDY)
    say("created")
    session = loops.get("loop")
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
    loops.close()
    say("closed")
    # The write-ahead log was removed; another is begun.
    loops = opened(folder, clock)
    say("ranked", "again", loops.get("loop").ask(rank("again")).action)
    loops.close()
    say("closed")


def weaken(synchronous):
    """Let commits be synced less, or not at all, by SQLite's setting for that."""
    connect = journal.connect_writer

    def connect_writer(path):
        connection = connect(path)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        return connection

    journal.connect_writer = connect_writer


def without_syncs_of_folders():
    """Forget that a new name is not on the disk before its folder is."""
    fsync = os.fsync
    os.fsync = lambda file: stat.S_ISDIR(os.fstat(file).st_mode) or fsync(file)


WEAKER = {
    "as it is": lambda: None,
    "no syncs at commits": partial(weaken, "NORMAL"),
    "no syncs of folders": without_syncs_of_folders,
}


def told(folder, say, prepare):
    """Tell it in a fork, and return how that ended."""
    process = os.fork()
    if process == 0:
        failed = 1
        try:
            prepare()
            live(folder, say)
            failed = 0
        finally:
            os._exit(failed)
    return os.waitpid(process, 0)[1]


def killed(folder):
    for life in count(1):
        read, write = os.pipe()

        def say(*words, write=write):
            os.write(write, json.dumps(words).encode() + b"\n")

        def prepare(life=life):
            faulty.arm(life, faulty.How.TEAR if life % 2 else faulty.How.KILL, 0, folder)

        status = told(folder / f"{life:04d}", say, prepare)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as lines:
            said = [json.loads(line) for line in lines]
        os.write(1, json.dumps({"life": life, "said": said, "status": status}).encode() + b"\n")
        if status != signal.SIGKILL:
            return


def recorded(folder, weaker):
    def say(*words):
        faulty.mark(json.dumps(words))

    def prepare():
        WEAKER[weaker]()
        faulty.record(folder / "record")

    (folder / "whole").mkdir()
    sys.exit(told(folder / "whole" / "data", say, prepare))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
