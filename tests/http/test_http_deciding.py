"""Rank, rewards and activation over HTTP."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder

V1, P3 = "/personalizer/v1.0", "/personalizer/v1.1-preview.3"
ACTIONS = [{"id": name, "features": [{"t": name}]} for name in "abc"]
SLOTS = [
    {"id": "top", "features": [{"size": "large"}], "excludedActions": ["b"], "baselineAction": "c"},
    {"id": "side", "baselineAction": "a"},
]


def events(served, loop="news", event_id=None, kinds=None):
    view = LoopView(loop, in_folder(served.folder / loop), None)
    return list(view.log(event_id=event_id, kinds=kinds))


def rank(served, code=201, base=V1, **fields):
    body = {"contextFeatures": [{"hour": 3}], "actions": ACTIONS, **fields}
    return served.call("POST", f"{base}/rank", json=body, code=code).json()


def test_the_order_of_a_ranking_is_personalizers(served):
    chosen = set()
    for number in range(30):
        answer = rank(served, excludedActions=["b"], eventId=f"order-{number}")
        ids = [action["id"] for action in answer["ranking"]]
        probabilities = {action["id"]: action["probability"] for action in answer["ranking"]}
        assert ids[1] == "b"
        assert probabilities["b"] == 0
        assert ids[0] == answer["rewardActionId"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
        chosen.add(answer["rewardActionId"])
    assert chosen == {"a", "c"}
    # With the first action excluded the chosen one cannot stand first.
    answer = rank(served, excludedActions=["a"])
    assert answer["ranking"][0] == {"id": "a", "probability": 0}
    assert answer["rewardActionId"] == answer["ranking"][1]["id"]


def test_event_ids_are_made_where_none_is_given_and_repeat_their_answer(served):
    made = rank(served)["eventId"]
    assert len(made) == 32
    assert rank(served, eventId=None)["eventId"] != made
    assert rank(served, eventId="again") == rank(served, eventId="again")
    body = {"contextFeatures": [{"hour": 4}], "actions": ACTIONS, "eventId": "again"}
    answer = served.call("POST", f"{V1}/rank", json=body, code=409)
    assert answer.json()["error"]["code"] == "Conflict"


SAID = [
    ({"actions": []}, "Action count should be between 1 and 50."),
    ({"actions": ACTIONS * 17}, "Action count should be between 1 and 50."),
    ({"actions": [{"id": "", "features": []}]}, "Action ids must not be empty."),
    ({"actions": [None]}, "Actions contains null value."),
    ({"eventId": ""}, "EventId should be non-empty or null."),
    ({"contextFeatures": [None]}, "Context features contains null value."),
    ({"contextFeatures": ["x"]}, "Features are not in key value pair format."),
    ({"contextFeatures": [{"x": ["y"]}]}, "Features should not contain array with non-number items."),
    (
        {"actions": [{"id": "a", "features": [None]}]},
        "Every action should have at least one non-null action feature.",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), SAID)
def test_bad_ranks_are_refused_in_personalizers_words(served, fields, sentence):
    before = len(events(served))
    body = {"contextFeatures": [], "actions": ACTIONS, **fields}
    error = served.call("POST", f"{P3}/rank", json=body, code=400).json()["error"]
    assert error["code"] == "InvalidRankRequest"
    assert sentence in [detail["message"] for detail in error["details"]]
    assert len(events(served)) == before


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"excludedActions": ["z"]}, "excludedActions"),
        ({"eventId": "\n"}, "eventId"),
        ({"contextFeatures": [{"x": {"context": ["z"]}}]}, "contextFeatures[0].x.context"),
        ({"actions": [{"id": "a", "features": [{"x": ["context"]}]}]}, "actions[0].features[0].x"),
    ],
)
def test_fields_are_named_as_the_caller_names_them(served, fields, target):
    body = {"contextFeatures": [], "actions": ACTIONS, **fields}
    error = served.call("POST", f"{P3}/rank", json=body, code=400).json()["error"]
    assert error["target"] == target
    assert error["details"][-1]["message"].startswith(f"{target}: ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"actions": 3}', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_ranks(served, body):
    error = served.call("POST", f"{P3}/rank", content=body, code=400).json()["error"]
    assert error["code"] == "InvalidRankRequest"


@pytest.mark.parametrize("body", [{"value": 2}, {"value": "1"}, {"value": None}, {}, [], 1, {"value": True}])
def test_bad_rewards_are_refused_and_leave_nothing(served, body):
    error = served.call("POST", f"{V1}/events/e1/reward", json=body, code=400).json()["error"]
    assert (error["code"], error["message"]) == ("InvalidRewardRequest", "Invalid reward request.")
    assert not events(served, event_id="e1")


@pytest.mark.parametrize(
    ("path", "body", "target", "says"),
    [
        ("events/e/reward", {"value": "x"}, "value", "must be a number (got a text)"),
        ("events/e/reward", {}, "value", "must be given"),
        ("events/e/reward", [], "request", "must be an object (got a list)"),
        ("multislot/events/e/reward", {"reward": [{"value": 1}]}, "reward[0].slotId", "must be given"),
        ("rank", {"actions": [3]}, "actions[0]", "must be an object (got a whole number)"),
        (
            "rank",
            {"actions": ACTIONS, "eventId": 3},
            "eventId",
            "must be a text or null (got a whole number)",
        ),
    ],
)
def test_a_body_of_another_shape_is_refused_by_its_field(served, path, body, target, says):
    error = served.call("POST", f"{P3}/{path}", json=body, code=400).json()["error"]
    assert (error["target"], error["details"][-1]["message"]) == (target, f"{target}: {says}")


@pytest.mark.parametrize("event_id", ["anna", "a 'b' \"c\" is in the log with another request; use a new id"])
def test_an_id_that_is_taken_is_not_repeated(served, event_id):
    body = {"actions": ACTIONS, "eventId": event_id}
    served.call("POST", f"{P3}/rank", json=body, code=201)
    body["contextFeatures"] = [{"x": 1}]
    (detail,) = served.call("POST", f"{P3}/rank", json=body, code=409).json()["error"]["details"]
    assert detail["message"] == "eventId: is in the log with another request; use a new id"
    served.clock.advance(1)
    served.call("DELETE", f"{P3}/logs", code=204)
    (detail,) = served.call("POST", f"{P3}/rank", json=body, code=409).json()["error"]["details"]
    assert detail["message"] == "eventId: belongs to a decision that was erased; use a new id"


def test_ids_that_are_too_long(served):
    long = "x" * 257
    served.call("POST", f"{V1}/events/{long}/reward", json={"value": 1}, code=400)
    error = served.call("POST", f"{V1}/events/{long}/activate", code=400).json()["error"]
    assert error["code"] == "InvalidEventIdToActivate"
    served.call("POST", f"{V1}/rank", json={"actions": ACTIONS, "eventId": long}, code=400)


def test_ids_that_are_no_text(served):
    for operation, body in (("reward", {"value": 1}), ("activate", None)):
        reply = served.call("POST", f"/personalizer/v1.0/events/%ff%fe/{operation}", json=body, code=400)
        assert "Unicode" in reply.text


@pytest.mark.parametrize("name", ["%0A", "a%0Ab", "%00", "%7F", "%0D%0A"])
def test_ids_with_control_characters(served, name):
    error = served.call("POST", f"{V1}/events/{name}/reward", json={"value": 1}, code=400).json()["error"]
    assert error["code"] == "InvalidRewardRequest"


def test_rewards_for_unknown_events_are_taken(served):
    served.call("POST", f"{V1}/events/nobody/reward", json={"value": -1}, code=204)
    served.call("POST", f"{V1}/events/nobody/activate", content=b"", code=204)
    served.call("POST", f"{V1}/events/nobody/activate", content=b"whatever", code=204)
    assert [entry.kind for entry in events(served, event_id="nobody")] == [
        "Rewarded",
        "Activated",
        "Activated",
    ]


def test_slots(served):
    body = {"contextFeatures": [{"k": 1}], "actions": ACTIONS, "slots": SLOTS, "eventId": "m"}
    answer = served.call("POST", f"{P3}/multislot/rank", loop="home", json=body, code=201).json()
    assert set(answer) == {"slots", "eventId"}
    assert [slot["id"] for slot in answer["slots"]] == ["top", "side"]
    assert all(set(slot) == {"id", "rewardActionId"} for slot in answer["slots"])
    path = f"{P3}/multislot/events/m"
    rewards = {"reward": [{"slotId": "top", "value": 1}, {"slotId": "side", "value": 0.5}]}
    served.call("POST", f"{path}/reward", loop="home", json=rewards, code=204)
    served.call("POST", f"{path}/activate", loop="home", code=204)
    assert [entry.kind for entry in events(served, "home", "m")] == [
        "SlotsRanked",
        "Rewarded",
        "Rewarded",
        "Activated",
    ]


@pytest.mark.parametrize(
    "rewards",
    [
        [{"slotId": "top", "value": 1}, {"slotId": "side", "value": 7}],
        [{"slotId": "top", "value": 1}, {"slotId": "", "value": 0}],
        [{"slotId": "top", "value": 1}, {"slotId": "side"}],
        [{"slotId": "top", "value": 1}, None],
        None,
    ],
)
def test_rewards_for_slots_are_taken_all_or_none(served, rewards):
    path = f"{P3}/multislot/events/m/reward"
    error = served.call("POST", path, loop="home", json={"reward": rewards}, code=400).json()["error"]
    assert error["code"] == "InvalidRewardRequest"
    assert not events(served, "home", "m")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"slots": []}, "At lease one slot must be defined in a multi-slot rank request."),
        ({"slots": [None]}, "Slots contain null value."),
        (
            {"slots": [{"id": f"s{n}", "baselineAction": "a"} for n in range(4)]},
            "Slots count should be between 1 and the number of actions",
        ),
        ({"slots": [SLOTS[0], SLOTS[0]]}, "All slot's must contain unique, non empty ID"),
        (
            {"slots": [{**SLOTS[0], "excludedActions": ["z"]}]},
            "All excluded action ID's must have corresponding action ID",
        ),
        (
            {"slots": [{**SLOTS[0], "baselineAction": "b"}]},
            "BaselineAction cannot be part of ExcludedActions.",
        ),
        (
            {"slots": [{**SLOTS[0], "baselineAction": "z"}]},
            "Each slot must contain a unique BaselineAction with an ID corresponding to an element of Actions.",
        ),
    ],
)
def test_bad_slots_are_refused_in_personalizers_words(served, fields, sentence):
    body = {"actions": ACTIONS, "slots": SLOTS, **fields}
    error = served.call("POST", f"{P3}/multislot/rank", loop="home", json=body, code=400).json()["error"]
    assert error["code"] == "InvalidRankRequest"
    assert sentence in [detail["message"] for detail in error["details"]]


def test_fields_of_slots_are_named_as_the_caller_names_them(served):
    body = {"actions": ACTIONS, "slots": [SLOTS[0], {**SLOTS[1], "excludedActions": ["z"]}]}
    error = served.call("POST", f"{P3}/multislot/rank", loop="home", json=body, code=400).json()["error"]
    assert error["target"] == "slots[1].excludedActions"


def test_a_loop_for_one_action_has_no_slots_and_the_other_way_round(served):
    body = {"actions": ACTIONS, "slots": SLOTS}
    error = served.call("POST", f"{P3}/multislot/rank", json=body, code=400).json()["error"]
    assert error["code"] == "InvalidMultiSlotApiAccess"
    assert error["target"] == "multislot/rank"
    assert error["details"][-1]["message"].endswith("decides one action: use rank")
    error = served.call("POST", f"{P3}/rank", loop="home", json={"actions": ACTIONS}, code=400).json()[
        "error"
    ]
    assert error["code"] == "InvalidRankRequest"
    assert error["target"] == "rank"
    assert error["details"][-1]["message"].endswith("decides several slots: use multislot/rank")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "features", "value", "slotId", "x", "_y", ""]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
RANKING = ["actions", "contextFeatures", "excludedActions", "eventId", "deferActivation", "slots"]
CONFIGURING = ["rewardWaitTime", "learningMode", "logRetentionDays", "defaultReward", "explorationPercentage"]
FIELDS = st.sampled_from([*RANKING, *CONFIGURING, "value", "reward", "name", "arguments"])
BODIES = st.dictionaries(FIELDS, VALUES | st.just(ACTIONS) | st.just(SLOTS), max_size=5).map(json.dumps)
PATHS = [
    ("POST", "rank"),
    ("POST", "multislot/rank"),
    ("POST", "events/e/reward"),
    ("POST", "multislot/events/e/reward"),
    ("POST", "events/e/activate"),
    ("PUT", "configurations/service"),
    ("PUT", "configurations/policy"),
    ("PUT", "model"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    loop=st.sampled_from(["news", "home"]),
    operation=st.sampled_from(PATHS),
    body=BODIES.map(str.encode) | st.binary(max_size=40) | VALUES.map(json.dumps).map(str.encode),
)
def test_no_body_makes_the_server_fail(served, loop, operation, body):
    method, path = operation
    answer = served.call(method, f"{P3}/{path}", loop=loop, content=body)
    assert answer.status_code in {200, 201, 204, 400, 403, 409}
