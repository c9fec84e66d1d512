import pytest
from support import Bench

from loopledger.clock import SECOND, SimulatedClock
from loopledger.loop import Loop


def test_time_stands_still_until_it_is_moved():
    clock = SimulatedClock()
    assert clock.now() == clock.now() == 1_767_225_600 * SECOND
    clock.advance(1.5)
    assert clock.now() == 1_767_225_601 * SECOND + 500_000
    assert SimulatedClock(7).now() == 7


def test_what_falls_due_is_done_on_the_way_in_order():
    clock, done = SimulatedClock(0), []
    for seconds in (3, 1, 2, 1, 9):
        clock.call_later(seconds, lambda seconds=seconds: done.append((seconds, clock.now() / SECOND)))
    clock.advance(2)
    assert done == [(1, 1), (1, 1), (2, 2)]
    clock.advance(0.999)
    assert len(done) == 3
    clock.advance(100)
    assert done[3:] == [(3, 3), (9, 9)]
    assert clock.now() == 102.999 * SECOND


def test_what_is_done_may_ask_for_more():
    clock, done = SimulatedClock(0), []

    def again():
        done.append(clock.now() // SECOND)
        clock.call_later(10, again)

    clock.call_later(10, again)
    clock.advance(35)
    assert done == [10, 20, 30]
    clock.advance(5)
    assert done == [10, 20, 30, 40]


def test_what_is_cancelled_is_not_done():
    clock, done = SimulatedClock(0), []
    cancels = [clock.call_later(number, lambda number=number: done.append(number)) for number in (1, 2, 3)]
    cancels[1]()
    cancels[1]()
    clock.advance(5)
    cancels[0]()
    assert done == [1, 3]


def test_a_failing_action_is_the_callers_and_time_goes_on_from_there():
    clock, done = SimulatedClock(0), []
    clock.call_later(1, lambda: 1 / 0)
    clock.call_later(2, lambda: done.append(clock.now() // SECOND))
    with pytest.raises(ZeroDivisionError):
        clock.advance(5)
    assert clock.now() == 1 * SECOND
    clock.advance(1)
    assert done == [2]


def test_set_back_nothing_is_done_twice_and_what_waits_waits_longer():
    clock, done = SimulatedClock(100 * SECOND), []
    clock.call_later(10, lambda: done.append("first"))
    clock.call_later(20, lambda: done.append("second"))
    clock.advance(15)
    clock.advance(-60)
    assert clock.now() == 55 * SECOND
    clock.advance(64.999)
    assert done == ["first"]
    clock.advance(0.001)
    assert done == ["first", "second"]


def test_a_clock_is_passed_in_and_not_looked_up():
    bench = Bench(clock=SimulatedClock(5))
    assert isinstance(bench.loop, Loop)
    assert [record.at for record in bench.records()] == [5]
