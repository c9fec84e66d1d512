"""When a model that relearned the past is published: as soon as it knows what there was to know."""

import pytest
from support import GREEDY, SLOTS, Bench, context_of
from test_loop import learned, rank

from loopledger.commands import ChangePolicy, PlanTraining, RankSlots, ResetModel, Reward, Train
from loopledger.errors import Conflict
from loopledger.policy import LearningPolicy
from loopledger.request import Slot, read_slots
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
