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
    made = content(found, bodies)
    assert b"Bergen" not in made
    assert b"u-0" not in made


def test_anybody_can_read_it():
    bodies = [body({"town": "Bergen", "n": number}) for number in range(6)]
    *_, example = json.loads(content(repeating(bodies), bodies))
    assert example["context"]["FromUrl"] == [{"n": 0, "town": ""}]
    assert [action["_tag"] for action in example["context"]["_multi"]] == ["a", "b", "c"]
    assert example["learning_mode"] == "Online"


def test_what_is_rare_is_counted_once_a_body():
    often = body({"x": "once-here"}, {"a": {"y": "many"}, "b": {"y": "many"}})
    assert repeating([often] * 3) == []
    assert repeating([often] * 4) != []


@given(st.lists(contexts, min_size=4, max_size=12), st.data())
def test_nothing_stays_of_pieces_that_go(given_, data):
    bodies = [body(context) for context in given_]
    made = content(repeating(bodies), bodies)
    known = set(pieces(made))
    # What is in an action stays with it.
    inner = sorted(
        piece
        for piece in known & set().union(*map(parts, bodies))
        if piece.startswith((b'{"hour"', b'{"device"', b'{"user"', b'{"age"', b'{"town"', b'{"FromUrl"'))
    )
    gone = set(data.draw(st.lists(st.sampled_from(inner), max_size=5))) if inner else set()
    left = without(made, gone)
    for piece in gone & set(pieces(left)):
        # Put together of names that stay, it says nothing.
        assert not set(values_in(json.loads(piece))) - {0, ""}
    assert without(left, gone) == left
    assert without(made, set()) == made


def values_in(value):
    """Yield the numbers, texts and so on in a value."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from values_in(inner)
    else:
        yield value


def test_what_stood_side_by_side_in_one_decision_cannot_be_seen():
    towns, jobs = ["Bergen", "Troms", "Oslo"], ["pilot", "smith", "cook"]
    bodies = [body({"town": towns[n % 3], "job": jobs[n // 3 % 3]}) for n in range(27)]
    found = json.loads(content(repeating(bodies), bodies))
    together = [set(values_in(one)) & {*towns, *jobs} for one in found]
    assert {len(values) for values in together} <= {0, 1}
    assert sum(map(len, together)) == 6


def test_what_goes_is_found_at_any_depth():
    def deep(town, number):
        return body({"a": {"b": {"c": {"town": town, "n": number}, "x": number}, "y": number}})

    bodies = [deep("Bergen" if number % 2 else "Troms", number) for number in range(12)]
    made = content(repeating(bodies), bodies)
    assert b"Bergen" in made
    left = without(made, parts(bodies[1]) - parts(bodies[0]))
    assert b"Bergen" not in left
    assert b'"town":""' in left
    assert b"Troms" in left


def test_an_action_stays_while_it_is_offered_in_another_place():
    first = [body({"n": number}, {"a": {"text": "lorem"}, "b": {"text": "ipsum"}}) for number in range(5)]
    last = [body({"n": number}, {"b": {"text": "ipsum"}, "a": {"text": "lorem"}}) for number in range(5)]
    made = content(repeating([*last, *first]), [*last, *first])
    left = without(made, parts(first[0]) - parts(last[0]))
    *_, example = json.loads(left)
    assert [action["_tag"] for action in example["context"]["_multi"]] == ["b", "a"]


@given(st.lists(contexts, min_size=4, max_size=12))
def test_every_value_in_it_stands_in_several_bodies(given_):
    bodies = [body(context) for context in given_]
    often = set(repeating(bodies))
    for piece in pieces(content(often, bodies)):
        value = json.loads(piece)
        if isinstance(value, dict) and len(value) == 1:
            ((inner),) = value.values()
            if inner and isinstance(inner, str | int | float):
                assert piece in often
