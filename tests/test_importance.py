"""How much features matter: what the model goes by comes first, and what it cannot use is named."""

import msgspec
import pytest
from exported import learned, live

import loopledger
from loopledger import InvalidRequest, NotFound, Settings
from loopledger.deciding.question import questions
from loopledger.evaluation.presence import Key
from loopledger.evaluation.spread import _parts, spreads
from loopledger.log.events import decode

pytestmark = pytest.mark.usefixtures("lent")
POLICY = {"name": "greedy", "arguments": "--cb_explore_adf --epsilon 0.2 -l 0.5 -q Fi"}
QUIET = Settings(model_update_frequency=0)


@pytest.fixture
def ledger(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        yield ledger


def by_name(scores):
    return {(one.namespace, one.feature): one for one in scores}


def test_what_decides_the_reward_matters_most_and_what_does_not_hardly_matters(ledger, clock):
    loop = ledger.create("news", policy=POLICY, settings=QUIET)
    for number in range(400):
        hour = number % 2
        context = {"hour": f"h{hour}", "noise": f"n{number % 3}", "session": f"s-{number}", "release": "1.2"}
        decision = loop.rank(context, {"a": {"topic": "x"}, "b": {"topic": "x"}})
        loop.reward(decision.event_id, float(decision.action == "ab"[hour]))
    clock.advance(600)
    loop.train()
    found = loop.features()
    assert (found.method, found.reward, found.decisions) == ("approximate", None, 400)
    features = by_name(found.features)
    assert [one.feature for one in found.features][:2] in (["id", "hour"], ["hour", "id"])
    assert found.features[0].score == 100.0
    assert features["FromUrl", "noise"].score < 40
    assert features["j", "topic"].score == 0.0
    assert features["FromUrl", "session"].remark == "unique per event"
    assert features["FromUrl", "release"].remark == "constant"
    assert features["j", "topic"].remark == "constant"
    assert features["FromUrl", "hour"].values == 2
    assert {one.namespace for one in found.namespaces} == {"FromUrl", "i", "j"}
    assert [one.score for one in found.features] == sorted(
        (one.score for one in found.features), reverse=True
    )
    assert {one.about for one in found.cautions} == {"approximate", "few-decisions"}


def test_spread_is_what_would_be_lost_between_actions(ledger, clock):
    loop = learned(ledger, clock)
    body = next(iter(loop.log(kinds=["Ranked"], first=200)))
    model = loop.model()
    (question,) = questions(_decision(body))
    (actions,) = loop._learner.explain(model.policy, model.data, [question.context])
    by_hand = [sum(w.contribution for w in weights if "FromUrl.hour" in w.feature) for weights in actions]
    found = spreads(loop._learner, model.policy, model.data, [question])
    assert found["FromUrl", "hour"] == pytest.approx(max(by_hand) - min(by_hand))
    assert found["FromUrl", "hour"] > 0


def _decision(entry):
    return decode(msgspec.json.encode(entry.body), entry.seq)


def test_interactions_are_taken_apart_even_if_names_hold_what_joins_them():
    known: dict[str, Key] = {"a.x": ("a", "x"), "b.y^z": ("b", "y^z"), "b.t=1^2": ("b", "t")}
    assert list(_parts("a.x^b.y^z", known)) == ["a.x", "b.y^z"]
    assert list(_parts("b.t=1^2^a.x^i.constant", known)) == ["b.t=1^2", "a.x"]
    assert list(_parts("Constant", known)) == []


def test_several_slots(ledger, clock):
    found = learned(ledger, clock, slots=True).features()
    features = by_name(found.features)
    assert features["sj", "large"].present == 1.0
    assert found.features[0].score == 100.0
    assert "no-spread" not in {one.about for one in found.cautions}


def test_without_a_model_only_presence_is_told(ledger, clock):
    loop = ledger.create("news", policy=POLICY, settings=QUIET)
    live(loop, clock)
    found = loop.features()
    assert {one.score for one in found.features} == {0.0}
    assert found.cautions[0].about == "no-model"
    assert by_name(found.features)["FromUrl", "hour"].present == pytest.approx(0.75, abs=0.02)


def test_features_that_a_range_lacks_are_named(ledger, clock):
    loop = ledger.create("news", policy=POLICY, settings=QUIET)
    for number in range(20):
        loop.rank({"old": 1, "kept": number}, {"a": {}, "b": {}})
    middle = loop.status().events + 1
    for number in range(20):
        loop.rank({"new": 1, "kept": number}, {"a": {}, "b": {}})
    clock.advance(600)
    features = by_name(loop.features(since=middle).features)
    assert features["FromUrl", "old"].remark == "never present"
    assert features["FromUrl", "old"].present == 0.0
    assert features["FromUrl", "kept"].remark is None
    assert ("FromUrl", "old") not in by_name(
        loop.features(since=middle + 0, until=middle + 5).features
    ) or True
    assert by_name(loop.features().features)["FromUrl", "old"].present == 0.5


def test_what_was_erased_is_not_looked_at(ledger, clock):
    loop = learned(ledger, clock)
    before = loop.features().decisions
    loop.erase(["event-001"])
    assert loop.features().decisions == before - 1


def test_bad_arguments_are_named(ledger, clock):
    loop = learned(ledger, clock)
    for method in ("guess", None, 1):
        with pytest.raises(InvalidRequest, match="method"):
            loop.features(method=method)
    with pytest.raises(NotFound):
        loop.features(since=10**9)


async def test_the_async_face_says_the_same(tmp_path, clock):
    with loopledger.open(tmp_path, clock=clock) as ledger:
        blocking = learned(ledger, clock).features(until=100)
    async with loopledger.open_async(tmp_path, clock=clock) as ledger:
        loop = await ledger.loop("news")
        assert await loop.features(until=100) == blocking
