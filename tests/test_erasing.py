"""Which bodies are erased, and in which portions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Bench
from test_loop import rank

from loopledger.commands import Activate, Reward
from loopledger.errors import NotFound
from loopledger.log.erasing import Mark, marks_before, marks_of, portions
from loopledger.log.events import DECISIONS, TRAFFIC
from loopledger.log.remains import Gone


@pytest.fixture
def bench():
    return Bench()


def chosen(marks):
    return [mark.seq for mark in marks if mark.chosen]


def before(bench, at):
    return chosen(marks_before(bench.place.store.reader(), at))


def test_everything_under_an_event_id(bench):
    bench.do(rank("one"))
    bench.do(rank("two"))
    bench.do(Reward("one", 1.0))
    bench.do(Activate("one"))
    reader = bench.place.store.reader()
    assert chosen(marks_of(reader, ["one"])) == [2, 4, 5]
    assert chosen(marks_of(reader, ["two", "one"])) == [2, 3, 4, 5]
    assert [portion.runs for portion in portions(marks_of(reader, ["one"]), 10)] == [((2, 2), (4, 5))]
    with pytest.raises(NotFound, match="'three'"):
        list(marks_of(reader, ["one", "three"]))


def test_decisions_before_a_time_with_what_had_come_for_them(bench):
    start = bench.clock.now()
    bench.do(rank("old"))  # event 2
    bench.clock.advance(10)
    bench.do(Reward("old", 1.0))  # 3
    bench.do(rank("new"))  # 4
    bench.do(Reward("old", 0.5))  # 5
    bench.do(Reward("new", 1.0))  # 6
    assert before(bench, start) == []
    assert before(bench, start + 1) == [2]
    assert before(bench, start + 10_000_000) == [2]
    assert before(bench, start + 10_000_001) == [2, 3, 4, 5, 6]


def test_a_reward_that_came_early_is_not_erased_before_its_decision(bench):
    start = bench.clock.now()
    bench.do(Reward("soon", 1.0))  # event 2
    bench.do(Reward("never", 1.0))  # 3
    bench.clock.advance(60)
    bench.do(rank("soon"))  # 4
    bench.clock.advance(1000)
    bench.do(rank("later"))  # 5
    assert before(bench, start + 60_000_000) == []
    assert before(bench, start + 60_000_001) == [2, 4]
    assert before(bench, start + 120_000_001) == [2, 3, 4]


def test_what_is_erased_already_is_not_erased_again(bench):
    bench.do(rank("one"))
    bench.do(rank("two"))
    assert bench.erase("one").events == 1
    assert bench.erase("one").events == 0
    assert before(bench, bench.clock.now() + 1) == [3]


MARKS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(TRAFFIC), st.booleans())).map(
    lambda steps: [
        Mark(
            seq := sum(gap for gap, *_ in steps[: at + 1]),
            kind,
            wanted,
            (kind, seq) if kind in DECISIONS else None,
        )
        for at, (_, kind, wanted) in enumerate(steps)
    ]
)


@given(MARKS, st.integers(1, 4))
def test_portions_hold_what_is_chosen_and_nothing_else(marks, most):
    found = list(portions(marks, most))
    runs = [run for portion in found for run in portion.runs]
    covered = [mark for mark in marks if any(first <= mark.seq <= last for first, last in runs)]
    assert covered == [mark for mark in marks if mark.chosen]
    assert sum(portion.events for portion in found) == len(covered)
    assert all(0 < portion.events <= most for portion in found)
    assert runs == sorted(runs)
    assert sum(portion.decisions for portion in found) == sum(mark.kind in DECISIONS for mark in covered)
    touched = {(kind, seq) for portion in found for kind, seqs in portion.touched.items() for seq in seqs}
    assert touched == {mark.of for mark in covered if mark.of}


def test_the_log_says_what_is_gone(bench):
    for number in range(6):
        bench.do(rank(f"e{number}"))
    bench.erase("e1", "e2")
    bench.erase("e4")
    reader = bench.place.store.reader()
    gone = Gone(reader)
    assert [record.seq for record in reader.records() if gone.covers(record)] == [3, 4, 6]
    assert [record.seq for record in reader.records() if record.erased] == [3, 4, 6]
