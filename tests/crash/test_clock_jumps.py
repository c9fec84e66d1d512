"""The clock jumps back, jumps ahead or stands still: order is by place in the log, and windows by its times."""

import time
from contextlib import closing

import pytest
from support import ACTIONS, GREEDY

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.adapters.system_clock import SystemClock
from loopledger.audit.verify import verify
from loopledger.learning.joining import all_traced, join

HOUR = 3600
YEAR = 365 * 24 * HOUR
SETTINGS = loopledger.Settings(reward_wait_time=600, model_update_frequency=0)


class Timed:
    """A loop with a clock that may be set."""

    def __init__(self, folder, clock, learner):
        self._ledger = loopledger.open(folder, clock=clock, workers=1)
        self.loop = self._ledger.create("loop", policy=GREEDY, settings=SETTINGS)
        self._place, self._learner = in_folder(folder / "loop"), learner

    def rank(self, event_id):
        return self.loop.rank({"hour": 1}, ACTIONS, event_id=event_id)

    def learned(self):
        """Return what each decision teaches; the log's order and times, and its models, have to hold."""
        entries = list(self.loop.log())
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        with closing(self._place.store.reader()) as reader:
            verification = verify(reader, self._learner, self._place.checkpoints)
            assert verification.holds, verification.findings.problems
            found = [join(traced) for traced in all_traced(reader, 1, len(entries))]
        return {joined.event_id: joined.labels[0].reward for joined in found}

    def close(self):
        self._ledger.close()


@pytest.fixture
def timed(tmp_path, clock, tiny):
    timed = Timed(tmp_path, clock, tiny)
    yield timed
    timed.close()


def test_set_back_rewards_still_belong_to_their_decisions(timed, clock):
    jumps = (-HOUR, -YEAR, 1, -5, 0.5)
    for number, jump in enumerate(jumps):
        timed.rank(f"e{number}")
        clock.advance(jump)
        timed.loop.reward(f"e{number}", 1.0)
        assert timed.loop.train() == []  # no window is closed by a clock that goes back
    clock.advance(-sum(jumps) + 599)
    assert timed.loop.train() == []
    clock.advance(2)
    assert timed.loop.train() == [1]
    assert timed.learned() == {f"e{number}": 1.0 for number in range(5)}
    assert timed.loop.status().waiting_decisions == 0


def test_ahead_and_back_nothing_is_lost_and_windows_close_when_the_time_has_come(timed, clock):
    timed.rank("before")
    clock.advance(YEAR)
    timed.rank("ahead")
    clock.advance(-YEAR)
    timed.rank("after")
    for event_id in ("before", "ahead", "after"):
        timed.loop.reward(event_id, 1.0)
    # By the log's times a year has passed for the first, and none for the others.
    assert timed.loop.train() == [1]
    assert timed.loop.status().waiting_decisions == 2
    clock.advance(HOUR)
    assert timed.loop.train() == []
    clock.advance(YEAR)
    assert timed.loop.train() == [2]
    assert timed.learned() == {"before": 0.0, "ahead": 1.0, "after": 1.0}


def test_a_window_is_open_to_its_last_microsecond_and_not_after_it(timed, clock):
    timed.rank("in time")
    clock.advance(599.999_999)
    assert timed.loop.train() == []
    timed.loop.reward("in time", 1.0)
    clock.advance(0.000_001)
    assert timed.loop.train() == [1]
    timed.rank("late")
    clock.advance(600)
    timed.loop.reward("late", 1.0)
    assert timed.loop.train() == [2]
    assert timed.learned() == {"in time": 1.0, "late": 0.0}


def test_frozen_what_came_first_is_first_by_its_place(timed, clock):
    for number in range(5):
        timed.rank(f"e{number}")
    for value in (0.25, 0.75):
        for number in reversed(range(5)):
            timed.loop.reward(f"e{number}", value)
    assert timed.loop.train() == []
    clock.advance(600)
    assert timed.loop.train() == [1]
    assert timed.learned() == {f"e{number}": 0.25 for number in range(5)}


def test_the_machines_clock_may_be_set_while_a_loop_is_open(tmp_path, tiny, monkeypatch):
    now = 1_767_225_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: now)
    timed = Timed(tmp_path, SystemClock(), tiny)
    for number, jump in enumerate((HOUR, -2 * HOUR, YEAR, -YEAR)):
        timed.rank(f"e{number}")
        now += jump * 10**9
        timed.loop.reward(f"e{number}", 1.0)
    # An hour later the first reward was late; the year ahead was over before the next decision was made.
    assert timed.learned() == {"e0": 0.0, "e1": 1.0, "e2": 0.0, "e3": 1.0}
    timed.close()
