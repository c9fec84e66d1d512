"""When a model that relearned the past is published: as soon as it knows what there was to know."""

import pytest
from msgspec.structs import replace
from support import GREEDY, SLOTS, Bench, Lent, context_of
from test_loop import learned, rank

from loopledger.adapters.memory import MemoryCheckpoints, MemoryStore
from loopledger.audit.verify import verify
from loopledger.commands import (
    ChangePolicy,
    ChangeSettings,
    PlanTraining,
    RankSlots,
    Relearn,
    ResetModel,
    Reward,
    Train,
)
from loopledger.deciding.request import Slot, read_slots
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.learning import training
from loopledger.learning.joining import join
from loopledger.learning.replay import rebuild, version_event
from loopledger.learning.selection import named
from loopledger.learning.training import examples, step_of
from loopledger.log.chain import Head, seal
from loopledger.log.events import decode
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings

OTHER_SLOTS = LearningPolicy("other", "--ccb_explore_adf --epsilon 0.5")


def fill(bench, count, first=0):
    """Decide for two slots, without a model: the tiny learner has none for slots."""
    terms = tuple(term for _, term in read_slots([Slot("s"), Slot("t")], ("a", "b", "c"), Limits()))
    context = context_of({}, slots=[Slot("s"), Slot("t")])
    for number in range(first, first + count):
        bench.do(RankSlots(f"slots-{number}", True, context, ("a", "b", "c"), terms, False))
        bench.do(Reward(f"slots-{number}", 1.0, "s"))
        bench.clock.advance(1)
    bench.clock.advance(600)


@pytest.fixture
def bench():
    """A loop that decided for slots first, and then for single actions."""
    bench = Bench(policy=SLOTS, settings=Settings(checkpoint_interval=4))
    fill(bench, 6)
    assert bench.train() == [1, 2]
    bench.do(ChangePolicy(GREEDY, relearn=True))
    assert bench.loop.state.published == 0
    learned(bench, 5)
    return bench


def test_decisions_of_the_other_kind_hold_nothing_back(bench):
    bench.do(ChangePolicy(SLOTS, relearn=True))
    before = bench.loop.state.versions
    assert bench.train() == [before + 1, before + 2]
    # Six decisions for slots are all that there is to know, though others came after them.
    assert bench.loop.state.published == before + 2


def test_nor_under_yet_another_policy_of_the_same_kind(bench):
    bench.do(ChangePolicy(SLOTS, relearn=True))
    bench.train()
    published = bench.loop.state.published
    bench.do(ChangePolicy(OTHER_SLOTS, relearn=True))
    assert bench.loop.state.published == published
    bench.train()
    assert bench.loop.state.published == bench.loop.state.versions == published + 2


def test_what_is_still_to_be_relearned_does(bench):
    bench.do(ChangePolicy(SLOTS, relearn=True))
    step = bench.do(PlanTraining())
    bench.trainer._carry_out(step, None)
    assert bench.loop.state.published == 0
    assert bench.do(PlanTraining()).parent == step.version
    bench.train()
    assert bench.loop.state.published == step.version + 1
    bench.do(ChangePolicy(GREEDY, relearn=True))
    assert bench.do(rank("meanwhile")).model_version == 0


def test_a_step_that_was_planned_before_everything_is_relearned_is_planned_again(bench):
    """With no model before and none after, only what comes next tells the two apart."""
    learned(bench, 3)
    bench.do(ResetModel())
    learned_from = bench.loop.state.seq
    for number in range(10, 13):
        bench.do(rank(f"event-{number}"))
    bench.clock.advance(700)
    step = bench.do(PlanTraining())
    assert step.first > learned_from
    bench.do(ChangePolicy(bench.loop.state.policy, relearn=True))
    stale = Train(step=step, sha256="", size=0, examples=3, engine="tiny 1")
    with pytest.raises(Conflict, match="plan it again"):
        bench.do(stale)
    assert bench.do(PlanTraining()).first < learned_from


def relearn(bench, *without, **more):
    reader = bench.place.store.reader()
    seqs = tuple(named(reader, without))
    reader.close()
    return bench.do(Relearn(without=seqs, **more))


def lines(bench):
    """Return what the newest version learned from, in its own step."""
    reader = bench.place.store.reader()
    _, event = version_event(reader, bench.loop.state.versions)
    found = list(examples(reader, step_of(event)))
    reader.close()
    return found


def trained(bench):
    return [decode(record.body, record.seq) for record in bench.records("ModelTrained")]


@pytest.fixture
def plain():
    bench = Bench()
    learned(bench, 5)
    return bench


def test_what_is_left_out_is_not_learned(plain):
    before = lines(plain)
    relearn(plain, "e1", "e3", query="broken client")
    assert plain.loop.state.published == 1
    assert plain.train() == [2]
    assert plain.loop.state.published == 2
    assert lines(plain) == [before[0], before[2], before[4]]
    (event,) = [decode(record.body, record.seq) for record in plain.records("RelearningBegun")]
    assert (event.query, event.since, event.policy) == ("broken client", 1, GREEDY)


def test_it_is_what_would_have_been_learned_without(plain):
    relearn(plain, "e1")
    plain.train()
    other = Bench()
    for number in range(5):
        other.do(rank(f"e{number}"))
        if number != 1:
            other.do(Reward(f"e{number}", float(number % 2)))
        other.clock.advance(1)
    relearn(other, "e1")
    other.clock.advance(600)
    other.train()
    models = [bench.place.checkpoints.load_model(bench.loop.state.versions) for bench in (plain, other)]
    assert models[0] == models[1]


def test_what_is_left_out_stays_out(plain):
    relearn(plain, "e1")
    relearn(plain, "e3")
    plain.train()
    assert len(lines(plain)) == 3
    plain.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.1"), relearn=True))
    plain.train()
    assert len(lines(plain)) == 3
    relearn(plain, "e0", with_everything=True)
    plain.train()
    assert len(lines(plain)) == 4
    relearn(plain, with_everything=True)
    plain.train()
    assert len(lines(plain)) == 5


def test_it_can_be_left_out_before_it_was_learned(plain):
    plain.do(rank("open"))
    relearn(plain, "open")
    plain.train()
    assert plain.loop.state.published == 2
    plain.do(Reward("open", 1.0))
    plain.clock.advance(600)
    plain.train()
    assert lines(plain) == []


def test_only_what_came_since(plain):
    before = lines(plain)
    third = plain.records("Ranked")[2].seq
    relearn(plain, since=third)
    plain.train()
    assert lines(plain) == before[2:]
    for since in (0, -1, plain.loop.state.seq + 1):
        with pytest.raises(NotFound, match="the log goes from 1 to"):
            relearn(plain, since=since)


def test_after_going_back_it_is_published_all_the_same(plain):
    learned(plain, 3, 10)
    plain.trainer.publish(1)
    learned(plain, 2, 20)
    assert plain.loop.state.published == 1
    relearn(plain, "e11")
    plain.train()
    assert plain.loop.state.published == plain.loop.state.versions == 4


def test_a_step_that_was_planned_before_something_was_left_out_does_not_count(plain):
    learned(plain, 2, 10)
    plain.do(rank("next"))
    plain.clock.advance(600)
    step = plain.do(PlanTraining())
    relearn(plain, "e1")
    with pytest.raises(Conflict):
        plain.trainer._carry_out(step, None)


def test_the_past_is_learned_several_times_and_what_comes_later_once(plain):
    before = lines(plain)
    plain.do(rank("open"))
    relearn(plain, passes=3)
    plain.train()
    assert lines(plain) == before * 3
    assert trained(plain)[-1].examples == len(before)
    plain.do(rank("later"))
    plain.clock.advance(600)
    plain.train()
    learned(plain, 2, 10)
    assert [(event.passes, event.examples) for event in trained(plain)] == [(1, 5), (3, 5), (3, 2), (1, 2)]
    relearn(plain)
    plain.train()
    assert trained(plain)[-1].passes == 1


def test_every_step_is_learned_several_times(plain):
    plain.do(ChangeSettings({"checkpoint_interval": 2}))
    relearn(plain, "e1", passes=2)
    plain.train()
    made = trained(plain)[1:]
    assert [(event.passes, event.decisions, event.examples) for event in made] == [
        *((2, 2, 1), (2, 2, 2), (2, 1, 1)),
    ]
    assert plain.loop.state.published == made[-1].version


def test_several_times_without_the_rest_is_not_more_than_that(plain):
    for policy in (ChangePolicy(plain.loop.state.policy, relearn=True), ResetModel()):
        relearn(plain, passes=2)
        plain.do(policy)
        learned(plain, 2, 10 * plain.loop.state.seq)
        assert trained(plain)[-1].passes == 1


@pytest.mark.parametrize("passes", [0, -1, 21])
def test_how_often_has_limits(plain, passes):
    with pytest.raises(InvalidRequest, match="passes: must be 1 to 20"):
        relearn(plain, passes=passes)


def test_a_step_that_was_planned_for_fewer_passes_does_not_count(plain):
    relearn(plain)
    step = plain.do(PlanTraining())
    relearn(plain, passes=2)
    with pytest.raises(Conflict):
        plain.trainer._carry_out(step, None)


def test_a_version_that_learned_less_often_is_found(plain):
    relearn(plain, passes=2)
    plain.train()
    plain.loop.close()
    store, head = MemoryStore(), Head()
    journal = store.writer()
    for record in plain.records():
        event = decode(record.body, record.seq)
        if event.kind == "ModelTrained":
            event = replace(event, passes=1)
        journal.append([seal(head, record.at, event, record.event_id)])
        head = journal.head()
    found = verify(store.reader(), plain.learner, MemoryCheckpoints())
    assert [problem.seq for problem in found.findings.problems if "less often" in problem.what] == [
        plain.records("ModelTrained")[1].seq
    ]


def check_replayed(plain, versions):
    before = plain.loop.state
    plain.place.checkpoints.state = None
    plain.place.checkpoints.models.clear()
    plain.reopen()
    assert plain.loop.state == before
    found = verify(plain.place.store.reader(), plain.learner, plain.place.checkpoints)
    assert (found.findings.problems, found.findings.versions) == ((), versions)


def test_what_was_learned_several_times_is_replayed_and_holds(plain):
    relearn(plain, passes=3)
    plain.train()
    learned(plain, 3, 10)
    check_replayed(plain, versions=3)
    plain.erase("e1")
    found = verify(plain.place.store.reader(), plain.learner, plain.place.checkpoints)
    assert found.findings.problems == ()


def test_every_pass_can_be_cut_short(plain):
    before = lines(plain)
    relearn(plain, passes=2)
    plain.train()
    reader = plain.place.store.reader()
    step = step_of(version_event(reader, plain.loop.state.versions)[1])
    assert list(examples(reader, step, most=3)) == before[:3] * 2
    reader.close()


@pytest.mark.parametrize(("room", "read"), [(64 << 20, 1), (100_000, 3)])
def test_the_log_is_read_once_for_all_passes_unless_it_is_too_much_to_keep(monkeypatch, room, read):
    monkeypatch.setattr(training, "_MOST_KEPT", room)
    bench = Bench()
    learned(bench, 1200)
    step = replace(step_of(trained(bench)[0]), passes=3)
    reader = bench.place.store.reader()
    once = list(examples(reader, replace(step, passes=1)))
    assert sum(map(len, once)) > 100_000
    told, joined = [], []
    monkeypatch.setattr(training, "join", lambda traced: (joined.append(traced.seq), join(traced))[1])
    assert list(examples(reader, step, lambda *done: told.append(done))) == once * 3
    assert len(joined) == 1200 * read
    assert told == sorted(told)
    assert {whole for _, whole in told} == {1200}
    assert len(told) == 6
    assert told[-1][0] < 1200
    reader.close()


def test_the_engine_learns_them_over_again(vw):
    """What comes of it is what the engine makes of the same lines over and over, and can be made again."""
    bench = Bench(learner=Lent(vw))
    learned(bench, 8)
    once = lines(bench)
    relearn(bench, passes=3)
    bench.train()
    made = bench.place.checkpoints.load_model(bench.loop.state.versions)
    assert made == vw.fold(trained(bench)[-1].policy, None, once * 3).model
    assert made != bench.place.checkpoints.load_model(1)
    reader = bench.place.store.reader()
    assert rebuild(reader, vw, bench.loop.state.versions) == made
    assert verify(reader, vw, MemoryCheckpoints()).findings.problems == ()
    reader.close()


def test_it_is_replayed_and_holds(plain):
    relearn(plain, "e1")
    plain.train()
    learned(plain, 3, 10)
    check_replayed(plain, versions=3)


def test_a_version_that_left_out_something_else_is_found(plain):
    relearn(plain, "e1")
    plain.train()
    plain.loop.close()
    store, head = MemoryStore(), Head()
    journal = store.writer()
    for record in plain.records():
        event = decode(record.body, record.seq)
        if event.kind == "ModelTrained":
            event = replace(event, left_out=0)  # a chain that holds, and a version that is not what it says
        journal.append([seal(head, record.at, event, record.event_id)])
        head = journal.head()
    found = verify(store.reader(), plain.learner, MemoryCheckpoints())
    assert [problem.seq for problem in found.findings.problems if "leaves out other" in problem.what] == [
        plain.records("ModelTrained")[1].seq
    ]
