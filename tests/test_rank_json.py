import pytest

from loopledger.adapters.embedding.building import EventIds, json_command
from loopledger.clock import SimulatedClock
from loopledger.errors import InvalidRequest
from loopledger.rank_json import read_rank
from loopledger.settings import Limits


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
