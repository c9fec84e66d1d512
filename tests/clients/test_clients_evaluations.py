"""Offline evaluations and feature importances through the clients that have them."""

import time
from datetime import datetime

import pytest
from faces import ADMINISTERING, HANG, Refused
from quick import slow_but

pytestmark = pytest.mark.slow

MINE = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}
CONTRACT = {
    "name": "January",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-02-01T00:00:00Z",
    "policies": [MINE],
}
FEATURES = {name: CONTRACT[name] for name in ("name", "startTime", "endTime")}
NEVER = {**CONTRACT, "startTime": "2020-01-01T00:00:00Z", "endTime": "2020-01-02T00:00:00Z"}
DONE = {"completed", "Succeeded"}
OPEN = {"pending", "notSubmitted", "Running", "NotSubmitted"}
OWN = ["Online", "Baseline", "Random"]


@pytest.fixture
def face(administrator, server, connect, new_loop):
    name, key = new_loop(server, "learned")
    face = connect(administrator, server, key)
    face.loop = name
    return face


@pytest.fixture
def python(http, connect, new_loop):
    return lambda kind: connect("ai (PyPI)", http, new_loop(http, kind)[1])


def awaited(ask):
    until = time.monotonic() + HANG
    while (found := ask())["status"] in OPEN:
        assert time.monotonic() < until, "the evaluation is never done"
        time.sleep(0.1)
    return found


def results(found):
    """Return each policy's average reward and interval, in whichever shape it came."""
    if "content" in found:
        values = found["content"]["value"]
        return {
            (one["name"], one.get("slotId")): (
                one["summary"]["expectedReward"],
                *one["summary"]["confidenceInterval"],
            )
            for one in values
        }
    return {
        (one["name"], None): (
            (mean := one["totalSummary"]["averageReward"]),
            mean - one["totalSummary"]["confidenceInterval"],
            mean + one["totalSummary"]["confidenceInterval"],
        )
        for one in found["policyResults"]
    }


@pytest.mark.parametrize("administrator", slow_but({"ai (PyPI)"}, ADMINISTERING), indirect=True)
def test_from_the_question_to_the_policy_in_force(face, server):
    evaluation_id = face.ask_evaluation(CONTRACT)
    found = awaited(lambda: face.evaluation(evaluation_id))
    assert found["status"] in DONE
    assert (found["id"], found["name"]) == (evaluation_id, "January")
    assert found["evaluationType"] == "Manual"
    for field in ("startTime", "endTime"):
        assert datetime.fromisoformat(found[field]) == datetime.fromisoformat(CONTRACT[field])
    came_to = results(found)
    assert [name for name, _ in came_to] == [*OWN, "mine"]
    for mean, low, high in came_to.values():
        assert low <= mean <= high
    assert came_to["mine", None][0] > came_to["Random", None][0]
    (listed,) = face.evaluations()
    assert (listed["id"], listed["status"]) == (evaluation_id, found["status"])
    face.apply_evaluation(evaluation_id, "mine")
    assert face.policy() == MINE
    (begun,) = server.log(face.loop, "RelearningBegun")
    assert begun["body"]["evaluation"] == evaluation_id
    face.delete_evaluation(evaluation_id)
    assert face.evaluations() == []
    with pytest.raises(Refused) as refused:
        face.evaluation(evaluation_id)
    assert (refused.value.status, refused.value.code) == (404, "EvaluationNotFound")
    assert server.problems(face.loop) == []


def test_a_range_without_data_is_done_at_once_and_has_no_results(face):
    evaluation_id = face.ask_evaluation(NEVER)
    found = awaited(lambda: face.evaluation(evaluation_id))
    assert found["status"] in DONE
    assert not found.get("content")
    assert not found.get("policyResults")


def test_refusals(face):
    done = face.ask_evaluation(NEVER)
    awaited(lambda: face.evaluation(done))
    calls = {
        "EvaluationNotFound 404": lambda: face.delete_evaluation("none"),
        "EvaluationNotFound 404 ": lambda: face.apply_evaluation("none", "mine"),
        "InvalidRequest 400": lambda: face.apply_evaluation(done, "mine"),
        "DuplicateCustomPolicyNames 400": lambda: face.ask_evaluation({**CONTRACT, "policies": [MINE, MINE]}),
        "InvalidPolicyConfiguration 400": lambda: face.ask_evaluation(
            {**CONTRACT, "policies": [{"name": "x", "arguments": "--cb_explore_adf -f /tmp/x"}]}
        ),
        "InvalidEvaluationContract 400": lambda: face.ask_evaluation({**CONTRACT, "startTime": "soon"}),
    }
    for wanted, call in calls.items():
        with pytest.raises(Refused) as refused:
            call()
        code, status = wanted.split()
        assert (refused.value.code, refused.value.status) == (code, int(status)), wanted


def test_pages_and_filters(python):
    face = python("blank")
    asked = [face.ask_evaluation({**NEVER, "name": f"number {number}"}) for number in range(5)]
    for one in asked:
        awaited(lambda one=one: face.evaluation(one))
    ids = [one["id"] for one in face.evaluations(params={"maxpagesize": 2})]
    assert ids == asked[::-1]
    assert [one["id"] for one in face.evaluations(top=3, skip=1, params={"maxpagesize": 2})] == ids[1:4]
    manual = face.evaluations(filter_expression="metadata=evaluationType eq 'Manual' and name ne 'number 2'")
    assert [one["id"] for one in manual] == [one for one in ids if one != asked[2]]
    assert face.evaluations(filter_expression="evaluationType eq 'Auto'") == []
    with pytest.raises(Refused) as refused:
        face.evaluations(filter_expression="evaluationType is 'Auto'")
    assert (refused.value.status, refused.value.code) == (400, "InvalidRequest")


def test_feature_importances(python):
    face = python("learned")
    client = face.administration
    assert face._call(client.create_feature_importance, "what matters", FEATURES) is None
    found = awaited(lambda: face._call(client.get_feature_importance, "what matters"))
    assert found["status"] == "Succeeded"
    scores = [one["score"] for one in found["featureScores"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1
    assert {one["featureName"] for one in found["featureScores"]} >= {"long", "hour"}
    (listed,) = face._call(lambda: list(client.list_feature_importances()))
    assert (listed["id"], listed["name"]) == ("what matters", "January")
    with pytest.raises(Refused) as refused:
        face._call(client.create_feature_importance, "what matters", FEATURES)
    assert refused.value.code == "FeatureImportanceAlreadyExists"
    assert face._call(client.delete_feature_importance, "what matters") is None
    with pytest.raises(Refused) as refused:
        face._call(client.get_feature_importance, "what matters")
    assert (refused.value.status, refused.value.code) == (404, "FeatureImportanceNotFound")


def test_slots_have_results_of_their_own(python):
    face = python("learned-slots")
    slots = {"name": "more", "arguments": "--ccb_explore_adf --epsilon 0.1 -l 0.1 -q ::"}
    evaluation_id = face.ask_evaluation({**CONTRACT, "policies": [slots]})
    found = awaited(lambda: face.evaluation(evaluation_id))
    assert found["status"] == "Succeeded"
    came_to = results(found)
    assert list(came_to) == [
        (name, slot) for name in [*OWN, "more"] for slot in (None, "top", "side", "foot")
    ]
    for result in found["content"]["value"]:
        assert result["timeseries"]["data"]
    online = [came_to["Online", slot][0] for slot in ("top", "side", "foot")]
    assert came_to["Online", None][0] == pytest.approx(sum(online) / 3)


def test_batches_of_the_library_for_local_inference_are_not_there(http, connect, new_loop):
    name, key = new_loop(http)
    face = connect("rest (npm)", http, key)
    for path in ("/logs/interactions", "/logs/observations"):
        options = {"bytes": "AAAA", "contentType": "application/octet-stream"}
        with pytest.raises(Refused) as refused:
            face.answered(204, call="path", words=[path], method="post", options=options)
        # Not a 500 or 503: those are crashes, and clients would try them again.
        assert refused.value.status == 501
        assert refused.value.message
    assert len(http.log(name)) == 1
