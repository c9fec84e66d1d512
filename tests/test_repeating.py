"""What repeats in bodies is found, and nothing else is in a dictionary."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from support import context_of, ranked

from loopledger.adapters.sqlite.repeating import content, parts, pieces, repeating, without
from loopledger.log.events import encode

values = st.one_of(
    st.sampled_from(["lorem", "ipsum", 12345, 0.125, True]), st.integers(0, 5), st.text(max_size=6)
)
contexts = st.dictionaries(
    st.sampled_from(["hour", "device", "user"]),
    st.one_of(values, st.dictionaries(st.sampled_from(["age", "town"]), values, min_size=1)),
    max_size=3,
)


def body(context=None, actions=None, **changes):
    return encode(ranked(context=msgspec.Raw(context_of(context, actions)), **changes))


def test_the_parts_of_a_body():
    found = parts(
        body({"town": "Bergen", "user": {"age": 41.5}}, {"a": {"topic": "football"}, "b": {"x": 1}})
    )
    for part in (
        b'["a","b","c"]',
        b'{"town":"Bergen"}',
        b'{"town":""}',
        b'{"user":{}}',
        b'{"user":{"age":41.5}}',
        b'{"age":41.5}',
        b'{"_tag":"b","i":{"constant":1,"id":"b"},"j":[{"x":1}]}',
    ):
        assert part in found, part
    assert not any(b"Online" in part or b"600000000" in part for part in found)


def test_what_is_no_decision_has_no_parts():
    for other in (b"", b"null", b"[]", b'{"context":7}', b'{"context":{"_multi":{}}}', b"\xff"):
        assert parts(other) == set()


def test_what_stands_in_too_few_bodies_is_left_out():
    bodies = [body({"town": "Bergen" if number < 3 else "Troms", "id": f"u-{number}"}) for number in range(8)]
    found = repeating(bodies)
    assert b'{"town":"Troms"}' in found
    assert b'{"town":"Bergen"}' not in found
    assert b'{"id":""}' in found
    made = content(found, bodies[0])
    assert b"Bergen" not in made
    assert b"u-0" not in made


def test_anybody_can_read_it():
    bodies = [body({"town": "Bergen", "n": number}) for number in range(6)]
    *_, example = json.loads(content(repeating(bodies), bodies[-1]))
    assert example["context"]["FromUrl"] == [{"n": 0, "town": "Bergen"}]
    assert [action["_tag"] for action in example["context"]["_multi"]] == ["a", "b", "c"]
    assert example["learning_mode"] == "Online"


def test_what_is_rare_is_counted_once_a_body():
    often = body({"x": "once-here"}, {"a": {"y": "many"}, "b": {"y": "many"}})
    assert repeating([often] * 3) == []
    assert repeating([often] * 4) != []


@given(st.lists(contexts, min_size=4, max_size=12), st.data())
def test_nothing_stays_of_pieces_that_go(given_, data):
    bodies = [body(context) for context in given_]
    made = content(repeating(bodies), bodies[-1])
    known = set(pieces(made))
    inner = sorted(piece for piece in known & set().union(*map(parts, bodies)) if piece[:1] == b"{")
    gone = set(data.draw(st.lists(st.sampled_from(inner), max_size=5))) if inner else set()
    left = without(made, gone)
    assert not gone & set(pieces(left))
    assert without(left, gone) == left
    assert set(pieces(left)) & set(repeating(bodies)) <= set(repeating(bodies)) - gone
    assert without(made, set()) == made


@given(st.lists(contexts, min_size=4, max_size=12))
def test_every_value_in_it_stands_in_several_bodies(given_):
    bodies = [body(context) for context in given_]
    often = set(repeating(bodies))
    for piece in pieces(content(often, bodies[-1])):
        value = json.loads(piece)
        if isinstance(value, dict) and len(value) == 1:
            ((inner),) = value.values()
            if inner and isinstance(inner, str | int | float):
                assert piece in often
