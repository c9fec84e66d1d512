from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import Bench, context_of

from loopledger.commands import Activate, Rank, Reward
from loopledger.learning import earnings as module
from loopledger.learning.earnings import Earnings
from loopledger.learning.joining import all_traced, join
from loopledger.settings import Settings

WAIT = 600


def rank(bench, event_id, deferred=False):
    bench.do(Rank(event_id, True, context_of({"hour": 7}), ("a", "b", "c"), (), deferred))


def look(earnings, bench):
    with closing(bench.place.store.reader()) as reader:
        earnings.look(bench.loop.state, reader, int(bench.clock.now()))


def joined(bench):
    with closing(bench.place.store.reader()) as reader:
        return [join(traced) for traced in all_traced(reader, 1, bench.loop.state.seq)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rank"), st.integers(0, 9)),
        st.tuples(st.just("reward"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 300, 601])),
        st.tuples(st.just("look"), st.none()),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_it_counts_what_the_join_will_say_and_looking_often_changes_nothing(steps):
    bench = Bench()
    often, once = Earnings(0), Earnings(0)
    ranked = set()
    for what, value in steps:
        if what == "rank" and value not in ranked:
            ranked.add(value)
            rank(bench, str(value))
        elif what == "reward" and value in ranked:
            bench.do(Reward(str(value), 0.5))
        elif what == "wait":
            bench.clock.advance(value)
        else:
            look(often, bench)
    bench.clock.advance(WAIT + 1)
    look(often, bench)
    look(once, bench)
    examples = joined(bench)
    assert (often.joined, often.late) == (once.joined, once.late)
    assert often.average == once.average
    assert once.unknown == 0
    assert once.joined == sum(len(label.rewards) for one in examples for label in one.labels)
    assert once.late == sum(one.reason == "late" for example in examples for one in example.unjoined)
    if examples:
        average = once.average
        rewards = [example.labels[0].original_reward for example in examples]
        assert average.choices == len(examples)
        assert average.reward == pytest.approx(sum(rewards) / len(rewards))


def test_rewards_for_nothing_are_unknown():
    bench = Bench()
    earnings = Earnings(0)
    bench.do(Reward("nobody", 1.0))
    look(earnings, bench)
    bench.do(Reward("nobody", 1.0))
    look(earnings, bench)
    assert (earnings.joined, earnings.late, earnings.unknown) == (0, 0, 2)


def test_rewards_before_it_began_are_not_counted():
    bench = Bench()
    rank(bench, "1")
    bench.do(Reward("1", 1.0))
    earnings = Earnings(bench.loop.state.seq)
    look(earnings, bench)
    assert earnings.joined == 0
    assert earnings.average is None
    bench.clock.advance(WAIT)
    look(earnings, bench)
    assert earnings.average.choices == 1


def test_the_baseline_is_weighted_by_how_improbable_it_was():
    bench = Bench()
    for at in range(300):
        rank(bench, str(at))
    for example in joined(bench):
        bench.do(Reward(example.event_id, 1.0 if example.labels[0].position == 0 else 0.25))
    bench.clock.advance(WAIT)
    earnings = Earnings(0)
    look(earnings, bench)
    assert earnings.average.baseline == pytest.approx(1.0)
    assert 0.25 < earnings.average.reward < 1.0
    assert earnings.average.imitated is None


def test_what_did_not_take_effect_earned_nothing():
    bench = Bench()
    rank(bench, "never", deferred=True)
    rank(bench, "in time", deferred=True)
    bench.do(Activate("in time"))
    bench.clock.advance(WAIT)
    earnings = Earnings(0)
    look(earnings, bench)
    assert earnings.average.choices == 1


def test_in_apprentice_mode_the_callers_choice_earns_and_the_models_is_compared():
    bench = Bench(settings=Settings(learning_mode="Apprentice"))
    for at in range(60):
        rank(bench, str(at))
        bench.do(Reward(str(at), 0.5))
    bench.clock.advance(WAIT)
    earnings = Earnings(0)
    look(earnings, bench)
    matched = sum(example.labels[0].position == 0 for example in joined(bench))
    assert 0 < matched < 60
    assert earnings.average == (60, 0.5, 0.5, matched / 60)


def test_it_remembers_the_last_ones_only(monkeypatch):
    monkeypatch.setattr(module, "_LOOKED_BACK", 8)
    bench = Bench()
    for at in range(50):
        rank(bench, str(at))
    bench.clock.advance(WAIT)
    earnings = Earnings(0)
    look(earnings, bench)
    assert earnings.average.choices == 8


def test_many_rewards_are_taken_in_turns(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 10)
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    bench = Bench()
    rank(bench, "1")
    for _ in range(25):
        bench.do(Reward("1", 1.0))
    earnings, counts = Earnings(0), []
    for _ in range(4):
        look(earnings, bench)
        counts.append(earnings.joined)
    assert counts == [10, 20, 25, 25]
