"""One decision's whole life."""

import json

import learned
import pytest

import loopledger
from loopledger.adapters.vw.explainer import explain
from loopledger.deciding.draw import sample

POLICY = loopledger.LearningPolicy("greedy", "--cb_explore_adf --epsilon 0.3 -l 0.5 -q :i")
WAIT = 600


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A loop with two rounds of decisions, and everything that can come for one."""
    clock = loopledger.SimulatedClock()
    settings = loopledger.Settings(model_update_frequency=0, reward_wait_time=WAIT)
    with loopledger.open(tmp_path_factory.mktemp("why"), clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=POLICY, settings=settings)
        for name in ("first", "second"):
            for number in range(40):
                decision = loop.rank({"hour": number % 4}, learned.ACTIONS, event_id=f"{name}-{number}")
                loop.reward(decision.event_id, float(decision.action == "music"), key="a")
            clock.advance(1)
            loop.reward(f"{name}-0", 1.0, key="b")
            loop.rank({"hour": 1}, learned.ACTIONS, event_id=f"{name}-deferred", deferred=True)
            clock.advance(WAIT)
            loop.reward(f"{name}-1", 1.0)
            loop.train()
        loop.rank({"hour": 1}, learned.ACTIONS, event_id="open", excluded=["sports"])
        yield loop


def body(loop, event_id):
    (entry,) = loop.log(kinds=["Ranked"], event_id=event_id)
    return entry.as_dict()["body"]


def test_what_was_recorded_is_what_is_said(life):
    for event_id in ("first-3", "second-3", "second-17", "open"):
        logged, found = body(life, event_id), life.why(event_id)
        (drawn,) = found.drawn
        assert found.holds is True
        assert (drawn.action, drawn.chosen) == (logged["chosen"], logged["chosen"])
        assert [choice.probability for choice in drawn.choices] == logged["probabilities"]
        assert (found.model_version, found.event_id) == (logged["model_version"], event_id)
        assert json.loads(bytes(found.context)) == logged["context"]


@pytest.mark.slow
def test_the_number_that_decided_decides_again(life):
    explored = set()
    for number in range(16):
        (drawn,) = life.why(f"second-{number}").drawn
        likely = sorted((choice.probability for choice in drawn.choices), reverse=True)
        place, _ = sample(likely, drawn.number)
        assert drawn.choices[0].probability == likely[place]
        assert drawn.explored == (likely[place] < likely[0])
        explored.add(drawn.explored)
    assert explored == {True, False}


def test_features_add_up_to_what_the_model_says(life):
    found = life.why("second-2")
    scores = {
        choice.id: sum(weight.contribution for weight in choice.weights) for choice in found.drawn[0].choices
    }
    best = min(scores, key=scores.__getitem__)
    assert best == max(found.drawn[0].choices, key=lambda choice: choice.probability).id
    names = {weight.feature for choice in found.drawn[0].choices for weight in choice.weights}
    assert {"FromUrl.hour", "i.id=music", "FromUrl.hour^i.id=music", "j.long"} <= names
    sizes = [abs(weight.contribution) for weight in found.drawn[0].choices[0].weights]
    assert sizes == sorted(sizes, reverse=True)


def test_before_any_model_there_is_nothing_to_weigh(life):
    found = life.why("first-3")
    assert found.model_version == 0
    assert all(choice.weights == () for choice in found.drawn[0].choices)


def test_what_came_and_whether_it_counts(life):
    zero = life.why("first-0")
    assert [(came.kind, came.key, came.counts) for came in zero.came] == [
        ("Rewarded", "a", True),
        ("Rewarded", "b", True),
    ]
    late = life.why("first-1")
    assert [(came.counts, came.reason) for came in late.came] == [(True, None), (False, "late")]
    assert late.came[1].at - late.at >= WAIT * 1_000_000


def test_where_it_was_learned(life):
    assert life.why("first-5").learned_in == (1,)
    assert life.why("second-5").learned_in == (2,)
    assert life.why("open").learned_in == ()


def test_a_deferred_decision_that_was_never_activated(life):
    found = life.why("first-deferred")
    assert (found.deferred, found.skipped, found.came) == (True, "not activated", ())


def test_how_later_models_answer(life):
    found = life.why("first-2")
    assert [(later.version, later.what) for later in found.later] == [
        (1, "learned from it"),
        (2, "answers now"),
    ]
    for later in found.later:
        assert sum(later.probabilities) == pytest.approx(1.0, abs=1e-4)
    now = life.rank_as_of(
        json.dumps(
            {
                "contextFeatures": [{"hour": 2}],
                "actions": [{"id": name, "features": [one]} for name, one in learned.ACTIONS.items()],
            }
        )
    )
    likely = {action.id: action.probability for action in now.ranking}
    assert found.later[1].probabilities == tuple(likely[choice.id] for choice in found.drawn[0].choices)
    assert life.why("second-2").later[0].what == "learned from it, answers now"


def test_an_excluded_action_was_not_offered(life):
    (drawn,) = life.why("open").drawn
    assert drawn.excluded == ("sports",)
    assert {choice.id for choice in drawn.choices} == {"politics", "music"}


def test_an_unknown_event_id(life):
    with pytest.raises(loopledger.NotFound, match="nobody"):
        life.why("nobody")


def test_everything_is_json(life):
    import msgspec

    plain = json.loads(msgspec.json.encode(life.why("second-2")))
    assert plain["drawn"][0]["choices"][0]["weights"][0][0]


def test_several_slots(tmp_path):
    clock = loopledger.SimulatedClock()
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=loopledger.ready_policy("recommended-slots"))
        loop.rank_slots({"hour": 1}, learned.ACTIONS, [{"id": "top"}, {"id": "side"}], event_id="e")
        loop.reward("e", 1.0, slot="top")
        loop.reward("e", 1.0, slot="nowhere")
        found = loop.why("e")
        assert [drawn.slot for drawn in found.drawn] == ["top", "side"]
        assert found.holds is True
        assert [came.reason for came in found.came] == [None, "no such slot"]
        assert [label.reward for label in found.labels] == [1.0, 0.0]


def test_slots_have_weights_and_what_other_versions_say(tmp_path):
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    likes = {"top": "music", "side": "politics", "foot": "weather"}
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=learned.SLOTS_POLICY, settings=settings)
        for number in range(3):
            learned.live_slots(loop, clock, likes, number * 40)
            loop.train()
        before, found = loop.why("event-001"), loop.why("event-045")
        learned.live_slots(loop, clock, likes, 120, 12)
        same = loop.why("event-125")
    assert all(choice.weights == () for drawn in before.drawn for choice in drawn.choices)
    assert [(later.version, later.slot) for later in before.later] == [
        (version, slot["id"]) for version in (1, 3) for slot in learned.SLOTS
    ]
    assert [later.what for later in found.later] == ["learned from it"] * 3 + ["answers now"] * 3
    for later in found.later:
        (drawn,) = (one for one in found.drawn if one.slot == later.slot)
        assert len(later.probabilities) == len(drawn.choices)
        assert sum(later.probabilities) == pytest.approx(1.0, abs=1e-4)
    for one in (found, same):
        assert one.holds
        for drawn in one.drawn:
            # The least estimated cost has the greatest probability.
            costs = [sum(weight.contribution for weight in choice.weights) for choice in drawn.choices]
            likely = [choice.probability for choice in drawn.choices]
            assert likely[costs.index(min(costs))] == max(likely)
            assert all(choice.weights for choice in drawn.choices)
    # None is offered what a slot before it got.
    for place, drawn in enumerate(found.drawn):
        assert not {one.chosen for one in found.drawn[:place]} & {choice.id for choice in drawn.choices}


def test_outside_online_mode_the_callers_action_is_told(tmp_path):
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.create("news", settings=loopledger.Settings(learning_mode="Apprentice"))
        for number in range(20):
            loop.rank({}, learned.ACTIONS, event_id=f"e{number}")
        drawn = [loop.why(f"e{number}").drawn[0] for number in range(20)]
    assert {one.action for one in drawn} == {"sports"}
    assert len({one.chosen for one in drawn}) > 1


def test_names_as_people_wrote_them():
    context = (
        b'{"FromUrl":[{"text":"a b","u":{"deep":"z"}}],"_multi":'
        b'[{"_tag":"x","i":{"constant":1,"id":"x"},"j":[{"n":2}]}]}'
    )
    ((weights,),) = explain(loopledger.LearningPolicy("p", "--cb_explore_adf -q uj"), None, [context])
    names = {weight.feature: weight.value for weight in weights}
    assert names["FromUrl.text=a b"] == 1.0
    assert names["j.n"] == 2.0
    assert names["u.deep=z^j.n"] == 2.0


@pytest.mark.parametrize(
    "arguments", ["--cb_explore_adf --bag 3", "--cb_explore_adf --cover 3", "--cb_explore_adf --regcb"]
)
def test_policies_that_keep_several_models_are_explained_too(arguments):
    context = b'{"_multi":[{"_tag":"x","j":[{"n":2}]},{"_tag":"y","j":[{"n":3}]}]}'
    found = explain(loopledger.LearningPolicy("p", arguments), None, [context, context])
    assert [[len(weights) for weights in actions] for actions in found] == [[2, 2], [2, 2]]


def test_what_cannot_be_loaded_is_an_error_of_the_library():
    with pytest.raises(loopledger.errors.LearnerFailed, match="cannot explain"):
        explain(loopledger.LearningPolicy("p", "--cb_explore_adf"), b"no model", [b'{"_multi":[{"j":[{}]}]}'])
