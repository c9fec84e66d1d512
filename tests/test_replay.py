import pytest
from support import Bench
from test_loop import learned, rank

from loopledger.adapters.memory import MemoryCheckpoints
from loopledger.commands import ChangePolicy, ChangeSettings, Reward
from loopledger.errors import NotFound, ReplayMismatch
from loopledger.learning.replay import rebuild, state_at, version_as_of, version_event
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


@pytest.fixture
def bench():
    bench = Bench(settings=Settings(checkpoint_interval=6))
    for number in range(4):
        learned(bench, 3, 10 * number)
    bench.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.5"), relearn=True))
    bench.train()
    bench.do(Reward("late", 1.0))
    return bench


def reader(bench):
    return bench.place.store.reader()


def test_every_version_comes_back_from_nothing(bench):
    assert bench.loop.state.versions == 6
    for version in range(1, 7):
        seq, event = version_event(reader(bench), version)
        assert rebuild(reader(bench), bench.learner, version)[:4] == b"tiny"
        assert (event.version, bench.records()[seq - 1].kind) == (version, "ModelTrained")


def test_a_kept_model_saves_the_steps_before_it(bench):
    bench.learner.folds = 0
    rebuild(reader(bench), bench.learner, 3, bench.place.checkpoints)
    assert bench.learner.folds == 1
    rebuild(reader(bench), bench.learner, 3)
    assert bench.learner.folds == 1 + 3


def test_a_damaged_kept_model_is_not_used(bench):
    whole = rebuild(reader(bench), bench.learner, 6, bench.place.checkpoints)
    bench.place.checkpoints.models[6] = b"tiny" + bytes(32)
    assert rebuild(reader(bench), bench.learner, 6, bench.place.checkpoints) == whole


def test_a_model_that_does_not_come_back_is_named(bench):
    class Other(type(bench.learner)):
        def fold(self, policy, parent, examples):
            folded = super().fold(policy, parent, examples)
            return folded._replace(model=folded.model + b"!") if parent else folded

    with pytest.raises(ReplayMismatch) as caught:
        rebuild(reader(bench), Other(), 3)
    assert caught.value.seq == version_event(reader(bench), 2)[0]
    other = Other()
    other.engine = "tiny 2"
    with pytest.raises(ReplayMismatch, match="made by tiny 1, and this is tiny 2"):
        rebuild(reader(bench), other, 3, MemoryCheckpoints())


def test_versions_that_do_not_exist(bench):
    for version in (-1, 0, 7):
        with pytest.raises(NotFound):
            rebuild(reader(bench), bench.learner, version)


def test_progress_is_told(bench):
    told = []
    rebuild(reader(bench), bench.learner, 4, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert told == sorted(told)


def test_the_state_at_every_event_is_what_it_was():
    bench = Bench()
    states = {bench.loop.state.seq: bench.loop.state}

    def note():
        states[bench.loop.state.seq] = bench.loop.state

    for number in range(3):
        bench.do(rank(f"e{number}"))
        note()
        bench.do(ChangeSettings({"reward_wait_time": 5 + number}))
        note()
        bench.clock.advance(700)
        bench.train()
        note()
    assert len(states) == 10
    for seq, state in states.items():
        assert state_at(reader(bench), seq) == state
    with pytest.raises(NotFound):
        state_at(reader(bench), 99)


def test_which_version_answered_when(bench):
    log = reader(bench)
    published = {record.seq: record.at for record in bench.records("ModelPublished")}
    (first, first_at), (second, second_at), *_ = published.items()
    assert version_as_of(log) == 6
    assert version_as_of(log, version=2) == 2
    assert version_as_of(log, seq=first) == 1
    assert version_as_of(log, seq=second - 1) == 1
    assert version_as_of(log, at=first_at) == 1
    assert version_as_of(log, at=second_at - 1) == 1
    assert version_as_of(log, at=second_at) == 2
    for moment in ({"seq": first - 1}, {"at": first_at - 1}, {"at": 0}, {"version": 9}, {"seq": 10**6}):
        with pytest.raises(NotFound):
            version_as_of(log, **moment)
