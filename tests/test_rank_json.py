import json

import pytest

from loopledger.adapters.embedding.building import (
    EventIds,
    either_command,
    json_command,
    json_slots_command,
    rank_slots_command,
)
from loopledger.clock import SimulatedClock
from loopledger.deciding.rank_json import has_slots, read_rank, read_rank_slots
from loopledger.deciding.request import Slot
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits

SLOTS = {
    "contextFeatures": [{"time": "am"}],
    "actions": [{"id": "a", "features": [{"t": "x"}]}, {"id": "b"}, {"id": "c", "features": {"t": 1}}],
    "slots": [
        {"id": "s", "features": [{"n": 1}], "excludedActions": ["a"], "baselineAction": "c"},
        {"id": "t", "excludedActions": None, "baselineAction": None, "other": 1},
    ],
    "eventId": "e",
    "deferActivation": True,
}


def test_the_form_of_personalizers_clients():
    body = (
        b'{"contextFeatures": [{"time": "am"}], "actions": [{"id": "a", "features": [{"t": "x"}]}, {"id": "b"}], '
        b'"excludedActions": ["b"], "eventId": "e/1 x", "deferActivation": true, "other": 1}'
    )
    read = read_rank(body)
    assert [action.id for action in read.actions] == ["a", "b"]
    assert bytes(read.actions[0].features) == b'[{"t": "x"}]'
    assert bytes(read.actions[1].features) == b"[]"
    assert bytes(read.context_features) == b'[{"time": "am"}]'
    assert (read.excluded_actions, read.event_id, read.defer_activation) == (("b",), "e/1 x", True)


def test_what_may_be_left_out():
    read = read_rank('{"actions": [], "eventId": null, "excludedActions": null, "deferActivation": null}')
    assert (read.event_id, read.excluded_actions, bytes(read.context_features)) == (None, None, b"[]")


def test_escapes_are_opened_so_that_no_name_can_hide():
    command = json_command(
        Limits(),
        EventIds(SimulatedClock()),
        b'{"actions": [{"id": "a", "features": [{"\\u005ftag": 1}]}], "contextFeatures": {"\\u0041": 1}}',
    )
    assert b'"FromUrl":[{"A":1}]' in command.context
    assert b'"j":[{}]' in command.context


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `actions`"),
        (b'{"actions": {}}', "Expected `array`"),
        (b'{"actions": [{"features": []}]}', r"missing required field `id` - at `\$.actions\[0\]`"),
        (b'{"actions": [{"id": 7}]}', r"Expected `str`, got `int` - at `\$.actions\[0\].id`"),
        (b'{"actions": [], "eventId": 7}', "eventId"),
        ("\ud800", "not JSON"),
    ],
)
def test_what_is_refused(body, says):
    with pytest.raises(InvalidRequest, match=says):
        read_rank(body)


def test_several_slots_are_what_the_objects_would_be():
    read = json_slots_command(Limits(), EventIds(SimulatedClock()), json.dumps(SLOTS, separators=(",", ":")))
    actions = {"a": [{"t": "x"}], "b": None, "c": {"t": 1}}
    slots = [Slot("s", {"n": 1}, ["a"], "c"), Slot("t")]
    assert read == rank_slots_command(Limits(), ("e", True), {"time": "am"}, actions, slots, deferred=True)


def test_whether_a_request_has_slots():
    assert has_slots(json.dumps(SLOTS))
    assert has_slots('{"slots": 7}')
    assert not has_slots('{"slots": null, "actions": []}')
    assert not has_slots("{}")
    for body in (b"{", b"[]", 7):
        with pytest.raises(InvalidRequest, match="request"):
            has_slots(body)
    ids = EventIds(SimulatedClock())
    assert len(either_command(Limits(), ids, json.dumps(SLOTS)).slots) == 2
    without = {name: value for name, value in SLOTS.items() if name != "slots"}
    assert either_command(Limits(), ids, json.dumps(without)).excluded == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"slots": []}, "slots: must be 1 to 3"),
        ({"slots": None}, r"Expected `array`, got `null` - at `\$.slots`"),
        ({"slots": {}}, r"Expected `array`, got `object` - at `\$.slots`"),
        ({"slots": [{}]}, r"missing required field `id` - at `\$.slots\[0\]`"),
        ({"slots": [{"id": 7}]}, r"\$.slots\[0\].id"),
        ({"slots": [{"id": "s", "excludedActions": "a"}]}, r"\$.slots\[0\].excludedActions"),
        (
            {"slots": [{"id": "s", "excludedActions": ["x"]}]},
            r"slots\[0\].excluded: names an action that is not",
        ),
        (
            {"slots": [{"id": "s", "baselineAction": "x"}]},
            r"slots\[0\].baseline: names an action that is not",
        ),
        ({"slots": [{"id": "s", "features": 7}]}, r"slots\[0\].features: must be an object"),
        ({"slots": [{"id": "s"}, {"id": "s"}]}, r"slots\[1\].id: is used twice"),
        ({"slots": [{"id": ""}]}, r"slots\[0\].id: must have 1 to"),
        ({"slots": [{"id": name} for name in "stuv"]}, "slots: must be 1 to 3"),
        ({"actions": []}, "actions: must be 1 to"),
        ({"eventId": ""}, "event_id"),
    ],
)
def test_what_is_refused_of_slots(changes, says):
    with pytest.raises(InvalidRequest, match=says):
        json_slots_command(Limits(), EventIds(SimulatedClock()), json.dumps({**SLOTS, **changes}))


def test_slots_are_missing():
    with pytest.raises(InvalidRequest, match="missing required field `slots`"):
        read_rank_slots('{"actions": [{"id": "a"}]}')
