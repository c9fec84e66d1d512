"""What is refused: everything but what fits the state, one field at a time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support import GREEDY, SLOTS, Bench, on_disk
from test_loop import learned, rank

from loopledger.commands import (
    MOST_PASSES,
    ChangePolicy,
    ChangeSettings,
    Erase,
    ImportModel,
    PlanTraining,
    PublishModel,
    Relearn,
    ResetModel,
    RestorePolicy,
    Reward,
    Train,
)
from loopledger.errors import Conflict, InvalidRequest, NotFound
from loopledger.learning.selection import named
from loopledger.log.events import decode
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


def last(bench, kind):
    record = bench.records(kind)[-1]
    return decode(record.body, record.seq)


@pytest.fixture
def bench():
    """A loop with everything in it that a step may differ by: an erasure, passes, decisions that are left out."""
    bench = Bench(settings=Settings(checkpoint_interval=3))
    learned(bench, 5)
    bench.erase("e0")
    reader = bench.place.store.reader()
    bench.do(Relearn(without=tuple(named(reader, ["e2"])), passes=2))
    reader.close()
    bench.trainer._carry_out(bench.do(PlanTraining()), None)
    return bench


def done(step):
    return Train(step=step, sha256="0" * 64, size=1, examples=1, engine="tiny 1")


@pytest.mark.parametrize(
    "name", ["version", "parent", "first", "last", "decisions", "left_out", "erased", "passes"]
)
@pytest.mark.parametrize("by", [-2, -1, 1, 2])
def test_a_step_that_is_not_what_comes_next_is_refused(bench, name, by):
    step = bench.do(PlanTraining())
    assert min(step.version, step.parent, step.first, step.decisions, step.left_out, step.erased) > 0
    assert (step.passes, step.decisions) == (2, 2)
    before = bench.kinds()
    with pytest.raises(Conflict, match="plan it again"):
        bench.do(done(replace(step, **{name: getattr(step, name) + by})))
    assert bench.kinds() == before
    bench.trainer._carry_out(step, None)
    assert bench.kinds() == [*before, "ModelTrained", "ModelPublished"]


@pytest.mark.parametrize("arguments", ["", "--cb_explore_adf", "--zzz"])
def test_nor_one_under_another_policy(bench, arguments):
    step = bench.do(PlanTraining())
    with pytest.raises(Conflict, match="plan it again"):
        bench.do(done(replace(step, policy=LearningPolicy(step.policy.name, arguments))))


def test_a_step_without_decisions_is_no_way_past_them(bench):
    bench.train()
    bench.do(ChangeSettings({"exploration_percentage": 0.5}))
    step = bench.do(PlanTraining())
    assert (step.first, step.last, step.decisions) == (None, None, 0)
    bench.trainer._carry_out(step, None)
    trained = last(bench, "ModelTrained")
    assert (trained.version, trained.first, trained.last) == (step.version, None, None)
    assert bench.loop.state.published == step.version
    assert bench.do(PlanTraining()) is None


def test_what_is_trained_says_what_it_was_made_of(bench):
    step = bench.do(PlanTraining())
    bench.trainer._carry_out(step, None)
    trained = last(bench, "ModelTrained")
    for name in ("version", "parent", "policy", "first", "last", "decisions", "left_out", "passes"):
        assert getattr(trained, name) == getattr(step, name)


def test_from_where_on_and_how_often_is_relearned_has_limits(bench):
    seq = bench.loop.state.seq
    for since in (-1, 0, seq + 1, seq + 2):
        with pytest.raises(NotFound, match=f"from 1 to {seq}"):
            bench.do(Relearn(since=since))
    for passes in (-1, 0, MOST_PASSES + 1):
        with pytest.raises(InvalidRequest, match="passes: must be 1 to"):
            bench.do(Relearn(passes=passes))
    bench.do(Relearn(since=seq))
    bench.do(Relearn(since=1, passes=MOST_PASSES))
    assert last(bench, "RelearningBegun").passes == MOST_PASSES == 20


def test_what_was_left_out_stays_out_unless_all_is_asked_for(bench):
    left_out = last(bench, "RelearningBegun").without
    assert len(left_out) == 1
    bench.do(Relearn(without=(3, 2)))
    assert last(bench, "RelearningBegun").without == tuple(sorted({2, 3, *left_out}))
    bench.do(Relearn(with_everything=True))
    assert last(bench, "RelearningBegun").without == ()


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_version_that_there_is_not_is_not_published(tmp_path, in_memory):
    bench = Bench(None if in_memory else on_disk(tmp_path))
    learned(bench, 1)
    learned(bench, 1, 10)
    for version in (-2, -1, 0, 3):
        with pytest.raises(NotFound):
            bench.do(PublishModel(version))
    for version in (1, 2):
        bench.trainer.publish(version)
        assert bench.loop.state.published == version


def test_a_model_of_the_other_kind_of_decisions_is_not_published(bench):
    bench.do(ChangePolicy(SLOTS, relearn=False))
    with pytest.raises(Conflict, match="change the policy first"):
        bench.do(PublishModel(1))
    bench.trainer.import_model(bench.loop.state, b"tiny for slots")
    version = bench.loop.state.published
    bench.do(ResetModel())
    bench.trainer.publish(version)
    bench.do(ChangePolicy(GREEDY, relearn=False))
    with pytest.raises(Conflict, match="change the policy first"):
        bench.do(PublishModel(version))
    bench.trainer.publish(1)


@pytest.mark.parametrize("by", [-1, 1])
def test_who_goes_back_or_erases_says_from_where(bench, by):
    with pytest.raises(NotFound):
        bench.do(RestorePolicy(1))
    bench.do(ChangePolicy(LearningPolicy("other", "--cb_explore_adf --epsilon 0.5"), relearn=False))
    undone = bench.loop.state.seq
    with pytest.raises(Conflict):
        bench.do(RestorePolicy(undone + by))
    bench.do(RestorePolicy(undone))
    assert bench.loop.state.policy == GREEDY
    with pytest.raises(Conflict):
        bench.do(Erase((), 0, (), (), bench.loop.state.versions + by))


@pytest.mark.parametrize("arguments", ["", "--cb_explore_adf", "--zzz"])
def test_a_model_that_was_tried_under_another_policy_is_not_imported(bench, arguments):
    policy = replace(bench.loop.state.effective_policy, arguments=arguments)
    with pytest.raises(Conflict):
        bench.do(ImportModel(b"tiny", policy, "0" * 64, "e"))


@given(st.floats() | st.integers(), st.floats(-5, 5), st.floats(0, 5))
def test_a_reward_lies_in_its_range(value, low, width):
    bench = Bench(settings=Settings(reward_range=(low, low + width + 1)))
    if low <= value <= low + width + 1:
        bench.do(Reward("e", value))
        assert last(bench, "Rewarded").value == value
    else:
        with pytest.raises(InvalidRequest, match="must lie between"):
            bench.do(Reward("e", value))


def test_both_ends_of_the_range_belong_to_it():
    bench = Bench(settings=Settings(reward_range=(-2, 3)))
    for value in (-2.0, 3, -2, 3.0):
        bench.do(Reward("e", value))
    for value in (math.nextafter(-2, -3), math.nextafter(3, 4), -math.inf, math.nan, 10**400):
        with pytest.raises(InvalidRequest):
            bench.do(Reward("e", value))


def test_a_key_is_of_one_decision_and_one_slot():
    bench = Bench()
    bench.do(rank("e"))
    first = bench.do(Reward("e", 0.5, "m", "m"))
    for value in (0.25, 0.75):
        with pytest.raises(Conflict):
            bench.do(Reward("e", value, "m", "m"))
    others = [bench.do(Reward("e", 0.25, slot, key)) for slot in (None, "a", "z", "m") for key in ("a", "z")]
    others += [bench.do(Reward("e", 0.25, slot, "m")) for slot in (None, "a", "z")]
    others += [bench.do(Reward("f", 0.25, "m", "m")), bench.do(Reward("e", 0.5, "m"))]
    assert len({first.seq, *(other.seq for other in others)}) == 14
    assert bench.do(Reward("e", 0.5, "m", "m")) == first


def test_settings_that_stay_the_same_are_no_event():
    bench = Bench()
    bench.do(ChangeSettings({"default_reward": 0.5}))
    assert bench.do(ChangeSettings({"default_reward": 0.5})) == bench.loop.state.settings
    assert bench.kinds() == ["LoopCreated", "SettingsChanged"]
    bench.do(ChangeSettings({"limits": {"actions": 7}}))
    bench.do(ChangeSettings({"limits": {"nesting": 3}}))
    limits = bench.loop.state.settings.limits
    assert (limits.actions, limits.nesting) == (7, 3)


def test_a_key_that_came_after_an_erasure_is_known():
    bench = Bench()
    bench.do(rank("e"))
    bench.do(Reward("e", 0.5, None, "before"))
    bench.clock.advance(601)
    bench.train()
    bench.erase("e")
    after = bench.do(Reward("e", 0.5, None, "after"))
    assert bench.do(Reward("e", 0.5, None, "after")) == after
    assert bench.do(Reward("e", 0.25, None, "before")).seq == after.seq + 1  # what it had said is gone


@pytest.mark.parametrize(
    "changes", [{"reward_range": {"low": 0}}, {"nothing": {}}, {"limits": 5}, {"limits": None}]
)
def test_what_is_nested_stays_nested(changes):
    bench = Bench()
    with pytest.raises(InvalidRequest):
        bench.do(ChangeSettings(changes))
    assert bench.kinds() == ["LoopCreated"]


@pytest.mark.parametrize("more", ["", " --softmax --lambda 3", " --bag 4"])
def test_where_the_policy_names_no_exploration_only_a_number_may_follow_a_number(more):
    bench = Bench(policy=LearningPolicy("p", f"--cb_explore_adf{more}"))
    bench.do(ChangeSettings({"default_reward": 0.5}))  # none follows none
    for exploration in (0.3, 0.4, 0.2):
        bench.do(ChangeSettings({"exploration_percentage": exploration}))
    with pytest.raises(InvalidRequest, match="must stay a number"):
        bench.do(ChangeSettings({"exploration_percentage": None}))
    assert bench.loop.state.settings.exploration_percentage == 0.2
