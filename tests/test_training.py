import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import Bench
from test_loop import learned, rank

from loopledger.commands import ChangeSettings
from loopledger.learning.training import closed_until, examples, plan, step_of
from loopledger.log.events import decode
from loopledger.settings import Settings

MOMENT = 1_000_000
DECIDE, WAIT, TRAIN, PASS = "decide", "wait", "train", "pass"
stories = st.lists(
    st.one_of(
        st.tuples(st.just(DECIDE), st.just(0)),
        st.tuples(st.just(WAIT), st.sampled_from([1, 2, 5, 20])),
        st.tuples(st.just(TRAIN), st.just(0)),
        st.tuples(st.just(PASS), st.sampled_from([1, 2, 4, 19])),
    ),
    max_size=25,
)


def decisions(bench):
    """Return seq, time and reward wait of every decision."""
    records = bench.records("Ranked")
    return [(record.seq, record.at, decode(record.body, record.seq).reward_wait) for record in records]


def closed(bench, now):
    """Return the seq before the first decision whose window is open, decision by decision."""
    opened = [seq for seq, at, wait in decisions(bench) if at + wait > now]
    return min(opened) - 1 if opened else bench.loop.state.seq


@given(stories)
@example([(WAIT, 20), (DECIDE, 0), (WAIT, 1), (DECIDE, 0), (PASS, 4), (DECIDE, 0)])
@example([(WAIT, 1), (DECIDE, 0), (WAIT, 20), (DECIDE, 0), (PASS, 4), (WAIT, 2), (DECIDE, 0), (PASS, 19)])
def test_what_is_closed_is_all_before_the_first_open_window(story):
    bench = Bench(settings=Settings(reward_wait_time=3, checkpoint_interval=2))
    for number, (what, much) in enumerate(story):
        if what == DECIDE:
            bench.do(rank(f"e{number}"))
        elif what == WAIT:
            bench.do(ChangeSettings({"reward_wait_time": much}))
        elif what == TRAIN:
            bench.train()
        else:
            bench.clock.advance(much)
        state, reader, now = bench.loop.state, bench.place.store.reader(), bench.clock.now()
        for later in range(0, 22, 3):
            through = closed_until(state, reader, now + later * MOMENT)
            assert through == max(state.closed_through, closed(bench, now + later * MOMENT))
            expected = [seq for seq, _, _ in decisions(bench) if state.line.learned_through < seq <= through][
                :2
            ]
            step = plan(state, reader, now + later * MOMENT)
            assert (step is None) == (not expected)
            if step is not None:
                assert (step.first, step.last, step.decisions) == (expected[0], expected[-1], len(expected))
                assert (step.version, step.parent) == (state.versions + 1, state.line.newest)


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        (1, [(500, 500), (1000, 1000)]),
        (2, [(500, 250), (1000, 500), (1600, 800), (2100, 1050)]),
        (3, [(500, 166), (1000, 333), (1600, 533), (2100, 700), (2700, 900), (3200, 1066)]),
    ],
)
def test_progress_is_told_every_500_decisions_and_goes_by_all_passes(passes, expected):
    bench = Bench(settings=Settings(checkpoint_interval=5000))
    learned(bench, 1100)
    (record,) = bench.records("ModelTrained")
    step = replace(step_of(decode(record.body, record.seq)), passes=passes)
    came = []
    lines = examples(bench.place.store.reader(), step, lambda *done: came.append(done))
    while next(lines, None) is not None:
        came.append(None)
    told = [(came[:at].count(None), done) for at, done in enumerate(came) if done is not None]
    assert told == [(read, (done, 1100)) for read, done in expected]
    assert all(isinstance(number, int) for _, done in told for number in done)


@pytest.mark.parametrize("exploration", [0.0, 0.05, 0.75])
def test_other_exploration_than_the_newest_learned_under_is_a_step_of_its_own(exploration):
    bench = Bench()
    bench.do(ChangeSettings({"exploration_percentage": exploration}))
    reader = bench.place.store.reader()
    assert plan(bench.loop.state, reader, bench.clock.now()) is None  # there is no model yet
    bench.do(ChangeSettings({"exploration_percentage": 0.2}))
    assert learned(bench, 3) == [1]
    assert plan(bench.loop.state, reader, bench.clock.now()) is None
    bench.do(ChangeSettings({"exploration_percentage": exploration}))
    step = plan(bench.loop.state, reader, bench.clock.now())
    assert (step.version, step.parent, step.passes) == (2, 1, 1)
    assert (step.first, step.last, step.decisions) == (None, None, 0)
    assert step.policy == bench.loop.state.effective_policy
    assert list(examples(reader, step)) == []
