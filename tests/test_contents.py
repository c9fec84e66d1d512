"""What a context holds is what the engine sees of it, name by name."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import GREEDY, SLOTS, context_of

from loopledger.deciding.context import at_slot
from loopledger.evaluation.contents import contents, spelt

names = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=4)
values = st.one_of(
    st.booleans(),
    st.none(),
    st.text(max_size=5),
    st.integers(-3, 3),
    st.floats(-1, 1, width=16),
    st.lists(st.integers(-2, 2), max_size=3),
)
features = st.dictionaries(names, st.one_of(values, st.dictionaries(names, values, max_size=3)), max_size=4)
SLOT = [{"id": "top", "features": {"size": 2}}, {"id": "side", "features": {"deep": {"size": "small"}}}]


def seen_by(engine, policy, context):
    """Return the names of the features that the engine explains, apart from its own."""
    found = set()
    (actions,) = engine.explain(policy, None, [context])
    for weights in actions:
        found |= {weight.feature for weight in weights}
    return {name for name in found if name not in {"Constant", "i.constant"} and not name.startswith("_")}


def held_by(groups):
    return {name for namespace, items in groups for item in items for name in spelt(namespace, item)}


# Each example starts a program.
@settings(max_examples=8)
@example([{"x": "a*b*"}], {"y": "^"})
@example([{"x": "a\0b"}], {"y": "\0"})
@given(st.lists(features, min_size=1, max_size=2), features)
def test_the_features_are_those_that_the_engine_sees(vw, context, action):
    made = context_of(context, {"one": action, "two": {"x": 1}})
    held = contents(made)
    own = {name for groups in (held.shared, *held.actions) for name in held_by(groups)}
    zeros = {name for name in own if name.endswith("]")}  # an array's zeros are places that nobody sees
    seen = {name for name in seen_by(vw, GREEDY, made) if name in own or "^" not in name}
    assert seen <= own
    assert own - seen <= zeros


def test_slots_hold_their_own(vw):
    made = context_of({"hour": 7}, {"one": {"x": 1}, "two": {}, "three": {}}, slots=SLOT)
    held = contents(made)
    assert [held_by(groups) for groups in held.slots] == [{"sj.size"}, {"deep.size=small"}]
    seen = seen_by(vw, SLOTS, at_slot(made, [1]))
    assert {"FromUrl.hour", "deep.size=small", "j.x", "i.id=one"} <= seen


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        ({"a": 1, "b": "x", "c": True}, (("FromUrl", (("a", 1), ("b", "x"), ("c", True))),)),
        ({"a": 0, "b": None, "c": False, "d": ""}, (("FromUrl", (("d", ""),)),)),
        ({"geo": {"x": 1, "inner": {"y": 2}}}, (("geo", (("x", 1),)), ("inner", (("y", 2),)))),
        ({"v": [1, 0, 2], "w": [0, 0], "u": []}, (("v", ((None, (1, 0, 2)),)),)),
        ({}, ()),
    ],
)
def test_objects_and_arrays_are_namespaces_and_what_is_nothing_is_not_there(given, groups):
    assert contents(context_of(given)).shared == groups


def test_several_objects_of_a_context_are_one_namespace():
    assert contents(context_of([{"a": 1}, {"b": 2}])).shared == (("FromUrl", (("a", 1), ("b", 2))),)


def test_other_layouts_are_read_too():
    other = json.dumps(
        {"user": {"age": 3}, "_tag": "x", "_multi": [{"act": {"a": 1}}, {"_tag": "y"}]}
    ).encode()
    held = contents(other)
    assert held.shared == (("user", (("age", 3),)),)
    assert held.actions == [(("act", (("a", 1),)),), ()]
