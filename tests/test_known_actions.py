"""A request with actions that are known comes to what it would come to otherwise, errors included."""

import json

import pytest
from fuzz.test_rank_fuzz import features, names
from hypothesis import given
from hypothesis import strategies as st

from loopledger.adapters.embedding import building
from loopledger.adapters.embedding.building import EventIds, json_command
from loopledger.clock import SimulatedClock
from loopledger.deciding import known_actions as module
from loopledger.errors import LoopledgerError
from loopledger.settings import Limits

LIMITS = Limits()
IDS = EventIds(SimulatedClock())

plain = st.dictionaries(
    st.sampled_from(["x", "y", "ü", "a_b", "~", "__"]),
    st.one_of(st.integers(-9, 9), st.booleans(), st.sampled_from(["t", "_t", "ü", ""]), st.just([1, 2.5])),
    max_size=3,
)
nested = st.dictionaries(st.sampled_from(["n", "ünicode", "F"]), plain, max_size=2)
usual = st.lists(st.one_of(plain, nested), max_size=2)
some = st.one_of(usual, usual, plain, st.none(), st.lists(features, max_size=2), features)
request = st.fixed_dictionaries(
    {
        "actions": st.lists(
            st.fixed_dictionaries(
                {"id": st.one_of(st.sampled_from("abcde"), st.sampled_from("abcde"), names)},
                optional={"features": some, "other": st.just(1)},
            ),
            max_size=5,
        )
    },
    optional={
        "contextFeatures": some,
        "excludedActions": st.lists(st.sampled_from("abcx"), max_size=2),
        "eventId": st.sampled_from(["e", "", "\n", None]),
        "deferActivation": st.sampled_from([True, False, None, 1]),
        "other": st.just({}),
    },
)


def outcome(make):
    try:
        command = make()
    except LoopledgerError as error:
        return type(error), str(error)
    event_id = command.event_id if command.named else None
    return event_id, command.context, command.actions, command.excluded, command.deferred


@given(st.lists(request, min_size=1, max_size=3), st.sampled_from([None, 1, "\n"]), st.booleans())
def test_known_actions_change_nothing(requests, indent, ascii_only):
    module._memory.cache_clear()
    for limits in (LIMITS, Limits(nesting=1, magnitude=5), Limits(features=20, request_bytes=150)):
        for said in [*requests, *requests, *requests]:
            text = json.dumps(said, indent=indent, ensure_ascii=ascii_only)
            known = outcome(lambda: json_command(limits, IDS, text))  # noqa: B023 - called at once
            assert known == outcome(lambda: building._unknown_command(limits, IDS, text))  # noqa: B023


def test_actions_are_known_from_the_second_time_on_and_stand_apart():
    module._memory.cache_clear()
    text = b'{"actions":[{"id":"a","features":[{"x":1}]},{"id":"b"}],"excludedActions":["a"],"eventId":"e"}'
    first, second, third = (json_command(LIMITS, IDS, text) for _ in range(3))
    assert first.apart == ()
    assert second == third
    assert second.apart == (b'{"_tag":"b","i":{"constant":1,"id":"b"},"j":[]}',)
    assert second.context == first.context
    assert second.context.endswith(b'"_multi":[%b]}' % b",".join(second.apart))


@pytest.mark.parametrize(
    "odd",
    [
        b'{"id":"a","features":[{"_x":1}]}',
        b'{"id":"a","features":[{"\\u005fx":1}]}',
        '{"id":"a","features":[{"ü":{"x":1}}]}'.encode(),
        b'{"id":"a","features":{"x":1}}',
        b'{"id":"a","features":[{"x":1e300}]}',
        b'{"id":"a","features":[{"x":[[1]]}]}',
        b'{"id":"a","features":[1]}',
        b'{"id":1}',
        b"1",
        b'{"id":"a","features":[{"x":"\xff"}]}',
    ],
)
def test_what_is_unusual_is_never_known(odd):
    module._memory.cache_clear()
    for _ in range(5):
        outcome(lambda: json_command(LIMITS, IDS, b'{"actions":[%b]}' % odd))
    assert len(module._memory(LIMITS.nesting, LIMITS.magnitude)) == 0
