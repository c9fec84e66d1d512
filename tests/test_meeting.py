"""Where features meet: what one of them does to the promises of another."""

from hashlib import sha256

import pytest
from support import GREEDY, Bench, TinyLearner, on_disk
from test_eraser import Foreign, checked, elsewhere, forget_models
from test_loop import learned, rank

from loopledger.adapters.sqlite import queries
from loopledger.audit.verify import verify
from loopledger.commands import (
    ChangePolicy,
    ChangeSettings,
    ImportModel,
    PlanTraining,
    Relearn,
    ResetModel,
    Reward,
)
from loopledger.learning.replay import rebuild, version_event
from loopledger.log import eraser
from loopledger.log.chain import head_of, seal
from loopledger.log.events import Erased, ModelKept
from loopledger.log.history_events import HistoryImported


def imported(bench):
    """Let a model from outside stand for the decisions so far."""
    policy = bench.loop.state.effective_policy
    model = b"tiny from outside"
    return bench.do(ImportModel(model, policy, sha256(model).hexdigest(), bench.learner.engine))


def test_a_step_without_decisions_closes_no_window():
    """Else what it teaches could change: a reward may still come."""
    bench = Bench()
    for number in range(3):
        bench.do(rank(f"e{number}"))
    bench.do(Relearn(since=bench.loop.state.seq))  # in the middle of open windows
    imported(bench)
    bench.do(ChangeSettings({"exploration_percentage": 0.5}))
    assert len(bench.train()) == 1  # under other terms, of nothing
    bench.do(ChangePolicy(GREEDY, relearn=True))
    assert bench.do(PlanTraining()) is None
    bench.do(Reward("e0", 1.0))
    bench.clock.advance(700)
    assert bench.train()
    assert checked(bench).holds


def history(bench, count=4):
    """Let the decisions so far count as imported."""
    for number in range(count):
        bench.do(rank(f"h{number}"))
    write(bench, HistoryImported(files=(), decisions=count, left_out=0))
    bench.loop._sound = False
    bench.reopen()


@pytest.mark.parametrize("after", [ResetModel(), ChangePolicy(GREEDY, relearn=False)])
def test_a_relearning_that_was_given_up_forgets_nothing_that_was_known(after):
    bench = Bench()
    history(bench)
    imported(bench)
    known = bench.loop.state.known_through
    bench.do(Relearn(since=1))
    bench.do(Relearn(since=1))
    assert bench.loop.state.line.publish_from == known
    bench.do(after)
    assert bench.loop.state.line.learned_through == known
    bench.clock.advance(700)
    assert bench.do(PlanTraining()) is None


def test_a_reward_that_came_before_its_decision_is_not_erased_before_its_version_is_kept(monkeypatch):
    bench = Bench()
    bench.do(Reward("e0", 1.0))
    bench.do(rank("other"))
    bench.do(rank("e0"))
    bench.clock.advance(700)
    assert bench.train() == [1]
    forget_models(bench)
    monkeypatch.setattr(eraser, "_PORTION", 1)
    done = bench.erase("e0")
    assert (done.events, done.decisions, done.kept, done.lost) == (2, 1, (1,), ())
    assert checked(bench).holds


def test_a_reward_for_what_is_erased_already_keeps_no_model():
    bench = Bench()
    learned(bench, 3)
    bench.erase("e1")
    bench.do(Reward("e1", 1.0))
    learned(bench, 3, 10)
    assert bench.erase("e1").kept == ()


def home(bench):
    bench.loop.close()
    bench.learner = TinyLearner()
    bench.open()


def test_versions_made_from_a_lost_one_are_kept_if_they_are_at_hand():
    """Else the model that answers could not be made again from the log (promise P2)."""
    bench = Bench()
    learned(bench, 3)
    learned(bench, 3, 10)
    learned(bench, 3, 20)
    newest = bench.place.checkpoints.load_model(3)
    elsewhere(bench)
    bench.place.checkpoints.save_model(3, newest)
    bench.reopen()
    erased = bench.erase("e1", force=True)
    assert (erased.kept, erased.lost) == ((3,), (1, 2))
    forget_models(bench)
    reader = bench.place.store.reader()
    assert rebuild(reader, bench.learner, 3) == newest
    home(bench)
    assert checked(bench).findings.problems == ()


def test_a_lost_version_is_no_problem_where_a_part_of_the_log_is_checked():
    bench = Bench()
    learned(bench, 3)
    elsewhere(bench)
    bench.erase("e1", force=True)
    home(bench)
    bench.do(Reward("later", 1.0))
    since = bench.loop.state.seq
    reader = bench.place.store.reader()
    for learner in (bench.learner, Foreign()):
        found = verify(reader, learner, bench.place.checkpoints, since=since)
        assert found.findings.problems == ()


def write(bench, *events):
    """Write events into a log as somebody could who makes its chain anew."""
    journal = bench.loop._journal
    head = journal.head()
    records = []
    for event in events:
        records.append(seal(head, head.at, event))
        head = head_of(records[-1])
    journal.append(records)
    bench.place.checkpoints.state = None


@pytest.mark.parametrize("learner", [TinyLearner(), Foreign()])
@pytest.mark.parametrize(
    "forged",
    [
        [ModelKept(version=1, model=b"other", sha256="0"), Erased(runs=(), events=0, kept=(1,))],
        [ModelKept(version=1, model=b"other", sha256=sha256(b"other").hexdigest())],
        [ModelKept(version=9, model=b"other", sha256="0"), Erased(runs=(), events=0, kept=(9,))],
        [Erased(runs=(), events=0, lost=(9,))],
        [Erased(runs=(), events=0, kept=(1,))],
        [Erased(runs=((1, 999),), events=0)],
        [Erased(runs=(), events=7)],
        [Erased(runs=(), events=0, lost=(1,))],
    ],
)
def test_forged_erasures_are_found(forged, learner):
    bench = Bench()
    learned(bench, 3)
    write(bench, *forged)
    assert checked(bench, learner).findings.problems


class Meanwhile:
    """A reader beside which something happens: once, before or after something is read."""

    def __init__(self, reader, happens, *, before=None, after=None):
        self.reader, self.happens, self.before, self.after = reader, [happens], before, after

    def __getattr__(self, name):
        read = getattr(self.reader, name)
        if name not in {self.before, self.after}:
            return read

        def asked(*args, **more):
            if name == self.before and self.happens:
                self.happens.pop()()
            found = list(read(*args, **more))
            if name == self.after and self.happens:
                self.happens.pop()()
            return iter(found)

        return asked


@pytest.fixture
def half_erased():
    bench = Bench()
    for first in (0, 10, 20):
        learned(bench, 4, first)
    bench.erase("e0")
    forget_models(bench)
    return bench


@pytest.mark.parametrize("when", [{"after": "stored"}, {"before": "traced"}])
def test_verify_does_not_cry_wolf_where_something_is_erased_meanwhile(half_erased, when):
    bench = half_erased
    reader = Meanwhile(bench.place.store.reader(), lambda: bench.erase("e12"), **when)
    assert verify(reader, bench.learner, bench.place.checkpoints).findings.problems == ()
    assert not reader.happens


def test_a_version_is_made_again_where_something_is_erased_meanwhile(half_erased):
    bench = half_erased
    reader = Meanwhile(bench.place.store.reader(), lambda: bench.erase("e12"), before="traced")
    for version in (2, 3):
        _, event = version_event(reader, version)
        assert sha256(rebuild(reader, bench.learner, version)).hexdigest() == event.sha256
    assert not reader.happens


def test_a_decision_is_read_with_its_rewards_or_not_at_all(tmp_path, monkeypatch):
    bench = Bench(on_disk(tmp_path))
    learned(bench, 3)
    reader = bench.place.store.reader()
    read = reader._all
    erase = [lambda: bench.erase("e1")]

    def asked(query, values=()):
        found = read(query, values)
        if query == queries.TRACED and erase:
            erase.pop()()
        return found

    monkeypatch.setattr(reader, "_all", asked)
    assert [len(traced.outcomes) for traced in reader.traced("Ranked", 1, 99)] == [1, 1, 1]
    assert [traced.event_id for traced in reader.traced("Ranked", 1, 99)] == ["e0", "e2"]
    reader.close()
