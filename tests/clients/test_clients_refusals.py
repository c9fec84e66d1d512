"""What is refused becomes the clients' own exceptions, and leaves nothing in the log."""

import pytest
from faces import Refused
from wishes import actions, rank, slots

EXCEPTIONS = {
    # What each client raises for: a Rank, a Reward, a key that is not accepted.
    "cognitiveservices (PyPI)": ("ErrorResponseException", "HttpOperationError", "ErrorResponseException"),
    "ai (PyPI)": ("HttpResponseError", "HttpResponseError", "ClientAuthenticationError"),
    "cognitiveservices (npm)": ("RestError", "RestError", "RestError"),
    "rest (npm)": ("ErrorResponse", "ErrorResponse", "ErrorResponse"),
}
NO_RANKS = {
    "no actions": rank() | {"actions": []},
    "51 actions": rank(*(f"a{number}" for number in range(51))),
    "every action excluded": rank(excludedActions=["sports", "politics", "music"]),
    "the same action twice": rank("sports", "sports"),
    "an empty action id": rank("sports", ""),
    "an empty event id": rank(eventId=""),
    "words in an array of numbers": rank() | {"contextFeatures": [{"words": ["a", "b"]}]},
    "a feature that is no object": rank() | {"contextFeatures": ["sunny"]},
    "a number that is too large": rank() | {"contextFeatures": [{"size": 1e300}]},
}


@pytest.mark.parametrize("wish", NO_RANKS)
def test_a_rank_that_cannot_be(client, wish, http, connect, new_loop):
    name, key = new_loop(http)
    with pytest.raises(Refused) as refused:
        connect(client, http, key).rank(NO_RANKS[wish])
    found = refused.value
    assert (found.kind, found.status, found.code) == (EXCEPTIONS[client][0], 400, "InvalidRankRequest")
    assert found.message
    assert len(http.log(name)) == 1


def test_a_rank_of_too_many_bytes(client, server, connect, new_loop):
    name, key = new_loop(server)
    face = connect(client, server, key)
    with pytest.raises(Refused) as refused:
        face.rank(rank() | {"contextFeatures": [{"essay": "x" * 3_000_000}]})
    assert refused.value.status in {400, 413}
    assert len(server.log(name)) == 1
    assert face.rank(rank())["rewardActionId"]


@pytest.mark.parametrize("value", [1.5, -2, 1e300])
def test_a_reward_that_cannot_be(client, value, http, connect, new_loop):
    name, key = new_loop(http)
    face = connect(client, http, key)
    face.rank(rank(eventId="e"))
    with pytest.raises(Refused) as refused:
        face.reward("e", value)
    found = refused.value
    assert (found.kind, found.status, found.code) == (EXCEPTIONS[client][1], 400, "InvalidRewardRequest")
    assert http.log(name, "Rewarded") == []


def test_a_key_that_nobody_made(client, server, connect, new_loop):
    new_loop(server)
    face = connect(client, server, "0123456789abcdef0123456789abcdef")
    with pytest.raises(Refused) as refused:
        face.rank(rank())
    assert (refused.value.kind, refused.value.status) == (EXCEPTIONS[client][2], 401)
    with pytest.raises(Refused) as refused:
        face.reward("e", 1)
    assert refused.value.status == 401


def test_every_operation_needs_a_key(administrator, server, connect):
    face = connect(administrator, server, "nobody's")
    calls = [
        lambda: face.activate("e"),
        lambda: face.rank_slots(slots()),
        lambda: face.reward_slots("e", [{"slotId": "s", "value": 1}]),
        lambda: face.activate_slots("e"),
        face.configuration,
        lambda: face.configure({}),
        face.policy,
        lambda: face.change_policy({"name": "n", "arguments": "--cb_explore_adf"}),
        face.reset_policy,
        face.model_properties,
        face.reset_model,
        lambda: face.import_model(b"zip"),
        face.log_properties,
        face.delete_logs,
        face.model,
    ]
    for call in calls:
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.status == 401


NO_SLOTS = {
    "no slots": slots(slots=[]),
    "more slots than actions": slots(
        actions=actions("sports"), slots=[{"id": name, "baselineAction": "sports"} for name in "ab"]
    ),
    "a slot twice": slots(slots=[{"id": "a", "baselineAction": name} for name in ("sports", "music")]),
    "a baseline that is no action": slots(slots=[{"id": "a", "baselineAction": "opera"}]),
    "a baseline twice": slots(slots=[{"id": name, "baselineAction": "sports"} for name in "ab"]),
    "a baseline that is excluded": slots(
        slots=[{"id": "a", "baselineAction": "sports", "excludedActions": ["sports"]}]
    ),
}


@pytest.mark.parametrize("wish", NO_SLOTS)
def test_a_multi_slot_rank_that_cannot_be(administrator, wish, http, connect, new_loop):
    name, key = new_loop(http, "slots")
    with pytest.raises(Refused) as refused:
        connect(administrator, http, key).rank_slots(NO_SLOTS[wish])
    assert refused.value.status == 400
    assert refused.value.code.startswith("Invalid")
    assert len(http.log(name)) == 1


def test_a_multi_slot_rank_of_a_loop_for_one_action(administrator, server, connect, new_loop):
    _, key = new_loop(server)
    with pytest.raises(Refused) as refused:
        connect(administrator, server, key).rank_slots(slots())
    assert (refused.value.status, refused.value.code) == (400, "InvalidMultiSlotApiAccess")


def test_a_plain_rank_of_a_loop_for_slots(client, server, connect, new_loop):
    _, key = new_loop(server, "slots")
    with pytest.raises(Refused) as refused:
        connect(client, server, key).rank(rank())
    assert 400 <= refused.value.status < 500
