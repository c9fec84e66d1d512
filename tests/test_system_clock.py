import logging
import threading
import time
from queue import Empty, SimpleQueue

import pytest

from loopledger.adapters.system_clock import SystemClock

PATIENCE = 30


def test_it_tells_the_time_in_microseconds():
    before = time.time_ns()  # noqa: TID251 - it is what is compared with
    told = SystemClock().now()
    assert before <= (told + 1) * 1000
    assert told * 1000 <= time.time_ns()  # noqa: TID251


def test_it_wakes_people_up_in_order_and_not_before():
    clock, done = SystemClock(), SimpleQueue()
    begun = time.monotonic()
    for seconds in (0.06, 0.02, 0.04):
        clock.call_later(seconds, lambda seconds=seconds: done.put((seconds, time.monotonic() - begun)))
    woken = [done.get(timeout=PATIENCE) for _ in range(3)]
    assert [seconds for seconds, _ in woken] == [0.02, 0.04, 0.06]
    assert all(after >= seconds for seconds, after in woken)


def test_who_comes_later_and_wants_to_be_woken_sooner_is():
    clock, done = SystemClock(), SimpleQueue()
    clock.call_later(3600, lambda: done.put("in an hour"))
    time.sleep(0.02)  # the clock's thread sleeps for an hour now
    clock.call_later(0.01, lambda: done.put("soon"))
    assert done.get(timeout=PATIENCE) == "soon"


def test_who_cancels_is_left_in_peace():
    clock, done = SystemClock(), SimpleQueue()
    cancel = clock.call_later(0.05, lambda: done.put("cancelled"))
    clock.call_later(0.1, lambda: done.put("kept"))
    cancel()
    cancel()
    assert done.get(timeout=PATIENCE) == "kept"
    with pytest.raises(Empty):
        done.get_nowait()


def test_one_callers_mistake_stops_no_other(caplog):
    clock, done = SystemClock(), SimpleQueue()
    with caplog.at_level(logging.ERROR, "loopledger"):
        clock.call_later(0, lambda: 1 / 0)
        clock.call_later(0.01, lambda: done.put("next"))
        assert done.get(timeout=PATIENCE) == "next"
    assert "ZeroDivisionError" in caplog.records[0].error


def test_it_keeps_no_program_from_ending():
    clock = SystemClock()
    clock.call_later(3600, print)
    (thread,) = [thread for thread in threading.enumerate() if thread is clock._thread]
    assert thread.daemon


def test_nobody_waits_where_nothing_is_due():
    for _ in range(3):
        clock = SystemClock()
        clock.call_later(3600, lambda: None)()
        thread = clock._thread
        if thread is not None:
            thread.join(10)
            assert not thread.is_alive()
        done = threading.Event()
        clock.call_later(0, done.set)
        assert done.wait(10)
