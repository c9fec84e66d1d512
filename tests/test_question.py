"""What models are asked about decisions afterwards, and what they have learned for it."""

import math
from contextlib import closing

import learned
import msgspec
import pytest
from policies import POLICIES
from quick import slow_but

import loopledger
from loopledger.adapters.vw.explainer import explain
from loopledger.adapters.vw.learner import VwLearner
from loopledger.adapters.vw.scorer import VwScorer
from loopledger.deciding.context import at_slot, with_tags
from loopledger.deciding.question import questions
from loopledger.learning.learner import opened
from loopledger.learning.replay import version_event
from loopledger.learning.training import examples, step_of
from loopledger.log.events import SlotsRanked, decode
from loopledger.policy import LearningPolicy

LIKES = {"top": "music", "side": "politics", "foot": "weather"}
LAMBDA = 3.0
# Rewards of both signs keep the engine from clipping what it adds up.
SOFTMAX = LearningPolicy("p", f"--ccb_explore_adf --softmax --lambda {LAMBDA} -l 0.05 -q ::")
MANY = {
    name: LearningPolicy(name, policy.arguments.replace("--cb_explore_adf", "--ccb_explore_adf"))
    for name, policy in POLICIES.items()
}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What a loop of three slots decided, and what is learned from it."""
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(tmp_path_factory.mktemp("question"), clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=learned.SLOTS_POLICY, settings=settings)
        learned.live_slots(loop, clock, LIKES)
        loop.train()
        learned.live_slots(loop, clock, LIKES, 40, 20)
        model = loop.model(1).data
        with closing(loop.place.store.reader()) as reader:
            lines = list(examples(reader, step_of(version_event(reader, 1)[1])))
            records = list(reader.records(kinds=("SlotsRanked",)))
    return [decode(record.body, record.seq) for record in records], lines, model


@pytest.fixture(scope="module")
def learner():
    with closing(VwLearner(workers=1)) as learner:
        yield learner


def signed(line):
    """Return an example with costs around 0: -1 stays, what was 0 becomes 1."""
    joined = msgspec.json.decode(line)
    for outcome in joined["_outcomes"]:
        outcome["_label_cost"] = outcome["_label_cost"] * 2 + 1
    return msgspec.json.encode(joined) + b"\n"


def test_a_question_for_each_slot_about_what_was_left(log):
    for decision in log[0]:
        asked = list(questions(decision))
        assert [question.slot for question in asked] == ["top", "side", "foot"]
        for question, slot in zip(asked, decision.slots, strict=True):
            assert sorted(question.actions) == sorted(decision.actions[at] for at in slot.ranked)
        assert len(msgspec.json.decode(asked[1].context)["_slots"]) == 2
        assert all(answer == pytest.approx(1 / 4) for answer in asked[0].answer(None, 0.0))


def test_the_sums_of_weights_are_what_the_engine_adds_up(log, learner):
    decisions, lines, _ = log
    model = learner.fold(SOFTMAX, None, [signed(line) for line in lines]).model
    asked = [question for decision in decisions[::5] for question in questions(decision)]
    explained = learner.explain(SOFTMAX, model, [question.context for question in asked])
    scorer = VwScorer(SOFTMAX, model)
    spread = 0.0
    with opened(scorer):
        for question, actions in zip(asked, explained, strict=True):
            answer = question.answer(scorer, 0.0)
            sums = [math.fsum(weight.contribution for weight in weights) for weights in actions]
            assert len(sums) == len(answer) == len(question.actions)
            # Softmax says how far apart the engine's own sums are: p is exp(-lambda * sum), scaled.
            for one, other in zip(answer, sums, strict=True):
                said = math.log(one / answer[0]) / -LAMBDA
                assert said == pytest.approx(other - sums[0], abs=2e-5)
                spread = max(spread, abs(said))
    assert spread > 0.1


def test_names_of_slots_features(log, learner):
    decisions, lines, _ = log
    model = learner.fold(SOFTMAX, None, lines).model
    asked = [*questions(decisions[1])]
    explained = learner.explain(SOFTMAX, model, [question.context for question in asked])
    names = [{weight.feature for weights in actions for weight in weights} for actions in explained]
    assert {"sj.size=large", "_slot=0", "FromUrl.device=mobile phone^sj.size=large"} <= names[0]
    assert {"sj.size=small", "shape.height", "_slot=1", "FromUrl.hour^_slot=1"} <= names[1]
    assert "_slot=2" in names[2]
    assert not {name for name in names[2] if "sj." in name}


@pytest.mark.parametrize("name", slow_but({"bag", "personalizer", "slots", "squarecb"}, MANY))
def test_a_slot_by_itself_is_answered_and_explained_as_among_all(name, log, learner):
    policy, (decisions, lines, _) = MANY[name], log
    model = learner.fold(policy, None, lines).model
    decision = decisions[7]
    context = bytes(decision.context)
    scorer = VwScorer(policy, model)
    with opened(scorer):
        whole = scorer.score_slots(with_tags(context, ["a", "b", "c"]))
        taken = [scores[0][0] for scores in whole]
        alone = [at_slot(context, taken[:place]) for place in range(3)]
        for place, one in enumerate(alone):
            assert dict(scorer.score_slots(one)[place]) == dict(whole[place])
    explained = learner.explain(policy, model, alone)
    assert [len(actions) for actions in explained] == [len(scores) for scores in whole]
    assert all(weights for actions in explained for weights in actions)


def test_what_the_caller_sent_twice_counts_twice():
    policy = LearningPolicy("p", "--cb_explore_adf")
    context = b'{"FromUrl":[{"u":{"n":1}},{"u":{"n":2}}],"_multi":[{"_tag":"x","j":[{"n":4},{"n":5}]}]}'
    ((weights,),) = explain(policy, None, [context])
    assert {weight.feature: weight.value for weight in weights} == {"u.n": 3.0, "j.n": 9.0, "Constant": 1.0}


@pytest.mark.parametrize(
    "text", ["a b", "a\tb", "a\n0 b", "\n\tx", "a:b|c", "\u2028", "= = =\n", "a^b@1", "\r\n"]
)
def test_texts_of_any_kind_are_named(text):
    context = msgspec.json.encode(
        {"FromUrl": [{"my things": {"it": text}, "n": 1}], "_multi": [{"_tag": "x y", "j": [{"q": 2}]}] * 2}
    )
    found = explain(LearningPolicy("p", "--cb_explore_adf"), None, [context, context])
    for weights in (weights for actions in found for weights in actions):
        assert {weight.feature for weight in weights} == {
            f"my things.it={text}",
            "FromUrl.n",
            "j.q",
            "Constant",
        }


def test_a_recorded_slot_is_answered_as_it_was(log):
    decisions, _, model = log
    scorers = {0: None, 1: VwScorer(learned.SLOTS_POLICY, model)}
    with opened(scorers[1]):
        for decision in decisions:
            assert isinstance(decision, SlotsRanked)
            for question, slot in zip(questions(decision), decision.slots, strict=True):
                answer = question.answer(scorers[decision.model_version], decision.minimum_probability)
                likely = dict(zip(question.positions, answer, strict=True))
                assert [likely[at] for at in slot.ranked] == pytest.approx(slot.probabilities, abs=1e-6)
    assert {decision.model_version for decision in decisions} == {0, 1}
