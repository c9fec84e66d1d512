"""Leaving features out: what is lost without them, where it is known what they are good for."""

import json
from contextlib import closing

import pytest
from test_optimize import number

import loopledger
from loopledger.evaluation.leaving_out import without

pytestmark = pytest.mark.slow

GOOD = loopledger.LearningPolicy("good", "--cb_explore_adf --epsilon 0.3 -l 0.5 -q ub -q ui -q tb -q ti")
ACTIONS = {name: {"body": {"kind": name}} for name in ("sports", "politics", "music")}
PLACES = {"north": "sports", "south": "politics", "west": "music"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A loop in which only where somebody is matters; two other features are noise, one says it again."""
    folder = tmp_path_factory.mktemp("features")
    clock = loopledger.SimulatedClock()
    settings = loopledger.Settings(model_update_frequency=0, reward_wait_time=1.0, reward_range=(0.0, 1.0))
    with loopledger.open(folder, clock=clock, workers=2) as ledger:
        loop = ledger.create("news", settings=settings, policy=GOOD)
        for at in range(800):
            event_id = f"event-{at:04d}"
            place = list(PLACES)[number(event_id, 3)]
            user = {"place": place, "shoes": f"s{number(event_id + ' shoes', 5)}"}
            context = {"user": user, "time": {"hour": f"h{number(event_id + ' hour', 4)}"}}
            decision = loop.rank(context, ACTIONS, event_id=event_id)
            loop.reward(event_id, float(PLACES[place] == decision.action))
            clock.advance(2)
            if at % 50 == 49:
                loop.train()
        yield loop


def test_what_matters_scores_and_noise_does_not(lived):
    found = lived.features(method="leave-one-out")
    scores = {(one.namespace, one.feature): one for one in (*found.namespaces, *found.features)}
    assert found.method == "leave-one-out"
    assert scores["user", "place"].score == 100
    assert scores["user", None].score > 95
    assert scores["user", "place"].reward_without < 0.6 * found.reward
    for key in (("user", "shoes"), ("time", None), ("time", "hour")):
        assert scores[key].score == 0
        assert scores[key].reward_without == pytest.approx(found.reward, rel=0.1)
    assert found.features[0].feature == "place"
    with closing(lived.place.store.reader()) as reader:
        assert found.last <= reader.head().seq


def test_the_approximate_kind_finds_the_same_first(lived):
    assert lived.features().features[0].feature == "place"


def test_progress_ends_where_it_says(lived):
    told = []
    lived.features(method="leave-one-out", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == max(done for done, _ in told)


CONTEXT = {
    "FromUrl": [{"device": "phone", "user": {"age": 3, "name": "x"}, "_note": 1}],
    "user": {"age": 5},
    "_multi": [
        {"i": {"constant": 1, "id": "a"}, "j": [{"long": 1, "user": {"age": 1}}]},
        {"i": {"constant": 1, "id": "b"}, "j": [{"long": 0}], "embedding": [1, 2]},
    ],
    "_slots": [{"sj": [{"size": "large"}]}],
}


@pytest.mark.parametrize(
    ("group", "gone"),
    [
        ({("user", "age")}, {"age": 0, "name": 1, "long": 2}),
        ({("user", None)}, {"age": 0, "name": 0, "device": 1}),
        ({("FromUrl", None)}, {"device": 0, "age": 3, "_note": 1}),
        ({("i", None)}, {"constant": 2, '"id"': 0}),
        ({("embedding", None)}, {"embedding": 0, "long": 2}),
        ({("j", "long"), ("sj", None)}, {"long": 0, "size": 0, "age": 3}),
        (set(), {"age": 3, "embedding": 1, "size": 1}),
    ],
)
def test_features_are_left_out_wherever_they_stand(group, gone):
    made = without(group, json.dumps(CONTEXT).encode())
    assert b"\n" not in made
    assert {name: made.decode().count(name) for name in gone} == gone
    assert len(json.loads(made)["_multi"]) == len(json.loads(made)["_slots"]) + 1
    if not group:
        assert json.loads(made) == CONTEXT
