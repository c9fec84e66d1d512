"""A loop's life by the API, with a disk that fails: `python trouble.py HOW ERROR FOLDER FIRST STEP [RECORD [weaker]]`.

It is told again and again, and each time another call that changes files fails: the first, and then every
so-manyth. Whoever hears of it has the disk repaired, opens the loop again, and asks again. What went wrong
goes to the standard output, a line of JSON for each life. With a record it is told once, and what the disk
was told is written down there; `weaker` then leaves out what is done against failed syncs.
"""

import errno
import json
import os
import shutil
import sqlite3
import sys
import traceback
from contextlib import suppress
from itertools import count
from pathlib import Path
from unittest.mock import patch

import aftermath
import faulty
import story
from support import ACTIONS, GREEDY

import loopledger
from loopledger.actor import Letter
from loopledger.adapters.embedding import directory
from loopledger.adapters.embedding.replies import BlockingReply
from loopledger.adapters.sqlite import journal
from loopledger.errors import LogDamaged, LoopledgerError, LoopStopped
from loopledger.log import eraser


class Life:
    """One telling.

    Args:
        folder: The data folder.
        hasty: Whether somebody who hears of a failure opens the loop before the disk is repaired.
        reading: Whether it is reading that fails: SQLite then may say that the file is damaged.

    """

    def __init__(self, folder, *, hasty, reading):
        self.folder = folder
        self.hasty = hasty
        self.reading = reading
        self.clock = loopledger.SimulatedClock()
        self.said = []
        self.wrong = []
        self.heard = []
        self._open()

    def _open(self):
        self.ledger = loopledger.open(self.folder, clock=self.clock, workers=1)
        self.other = self.ledger.loop("other", create=True, policy=GREEDY, settings=story.SETTINGS)

    def live(self):
        self.attempt(self._loop)
        for number in range(4):
            event_id = f"event-{number}"
            self.rank(event_id)
            self.say(
                "at", self.attempt(lambda event_id=event_id: self.loop.reward(event_id, 0.5, key="k")).seq
            )
            self.clock.advance(1)
        self.clock.advance(60)
        self.train()
        self.attempt(lambda: self.loop.change_settings(reward_wait_time=5))
        self.say("ranked", "batch-0", self.attempt(self._batch).action)
        self.clock.advance(5)
        self.train()
        self.attempt(lambda: self.loop.erase(story.ERASED))
        self.say("erased")
        self.ledger.close()
        self._open()
        self.attempt(self._loop)
        self.rank("again")
        self.ledger.close()
        self.say("closed")

    def say(self, *words):
        self.said.append(words)
        faulty.mark(json.dumps(words))

    def rank(self, event_id):
        self.say("ranked", event_id, self.attempt(lambda: self._rank(self.loop, event_id)).action)

    def train(self):
        self.attempt(lambda: self.loop.train())  # noqa: PLW0108 - of the loop that is open by then
        self.say("trained", self.attempt(lambda: self.loop.status()).versions)  # noqa: PLW0108 - likewise

    def attempt(self, step):
        """Take a step, if need be again when the disk has been repaired."""
        try:
            return step()
        except LoopledgerError as error:
            self._hear(error, step)
        faulty.repair()
        self._loop()
        return step()

    def _hear(self, error, step):
        self.heard.append(f"{type(error).__name__}: {error}"[:200])
        first = cause = error.__cause__
        while isinstance(cause, LoopledgerError):
            cause = cause.__cause__
        if isinstance(error, LogDamaged) and not (
            self.reading and "whether the disk can be read" in str(error)
        ):
            self.wrong.append(f"nothing is damaged: {error}")
        if not isinstance(cause, OSError | sqlite3.Error):
            self.wrong.append(f"of the disk nothing is said: {error!r} from {cause!r}")
        if self.hasty:
            # Somebody opens it while the disk still fails.
            with suppress(LoopledgerError):
                self._loop()
        elif isinstance(error, LoopStopped) and "has stopped" in str(error):
            # Until somebody opens it, it stays as it is, whatever the disk does meanwhile.
            faulty.repair()
            try:
                step()
            except LoopStopped as again:
                if again.__cause__ is not first:
                    self.wrong.append(f"not the first cause: {again.__cause__!r} after {first!r}")
            else:
                self.wrong.append("it stopped and went on")
        self._rank(self.other, f"meanwhile-{len(self.heard)}")

    def _loop(self):
        self.loop = self.ledger.loop("loop", create=True, policy=GREEDY, settings=story.SETTINGS)

    def _batch(self):
        letter = Letter([story.rank(f"batch-{number}") for number in range(5)], reply := BlockingReply())
        self.ledger.directory.get("loop").inbox.submit(letter)
        return reply.wait()

    @staticmethod
    def _rank(loop, event_id):
        return loop.rank({"hour": len(event_id)}, ACTIONS, event_id=event_id)


def lives(how, error, folder, calls):
    for call in calls:
        shutil.rmtree(folder, ignore_errors=True)
        life = Life(folder, hasty=how.name.endswith("_ON"), reading="READ" in how.name)
        faulty.arm(call, how, error, folder, "/other/")
        try:
            life.live()
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            life.wrong.append(traceback.format_exc())
        failed = faulty.failing()
        faulty.repair()
        life.ledger.close()
        try:
            aftermath.check(folder, life.said, 1000)
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            life.wrong.append(traceback.format_exc())
        yield {"call": call, "failed": failed, "heard": life.heard, "wrong": life.wrong}
        if not failed:
            return


def main(how, error, folder, first, step, record="", weaker=""):
    calls = count(int(first), int(step))
    if record:
        calls = [int(first)]
        faulty.record(record)
    if weaker:
        journal.write_again = lambda _: None
    journal._CHECKPOINT_BYTES = 60_000
    eraser._PORTION = 1
    with patch.object(directory, "VwLearner", lambda _: story.Learner()):
        for told in lives(faulty.How[how], getattr(errno, error), Path(folder), calls):
            os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
