import json
import math
from decimal import Decimal
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import context_of

from loopledger.deciding.context import with_tags
from loopledger.deciding.request import Action, Slot
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits

LIMITS = Limits()


def refused(field, context=None, actions=None, **more):
    with pytest.raises(InvalidRequest) as caught:
        context_of(context, actions, **more)
    assert caught.value.field == field
    return caught.value.problem


def test_layout_is_personalizers():
    context = context_of([{"hour": 7}, {"user": {"age": 3}}], {"a": {"x": 1}, "b": [{"y": "z"}]})
    assert json.loads(context) == {
        "FromUrl": [{"hour": 7}, {"user": {"age": 3}}],
        "_multi": [
            {"_tag": "a", "i": {"constant": 1, "id": "a"}, "j": [{"x": 1}]},
            {"_tag": "b", "i": {"constant": 1, "id": "b"}, "j": [{"y": "z"}]},
        ],
    }


def test_layout_of_slots():
    slots = [Slot("s", {"size": 1}), Slot("t", None, excluded=["a"])]
    context = json.loads(context_of({}, None, slots=slots))
    assert context["_slots"] == [{"_id": "s", "sj": [{"size": 1}]}, {"_id": "t", "sj": [], "_inc": [1, 2]}]


def test_nothing_is_fine():
    assert json.loads(context_of(None, {"a": None})) == {
        "FromUrl": [],
        "_multi": [{"_tag": "a", "i": {"constant": 1, "id": "a"}, "j": []}],
    }


def test_reserved_names_are_left_out_on_every_level():
    evil = {"_label_cost": 9, "ok": 1, "n": {"_multi": [1], "ok": 2}, "_text": "x"}
    context = json.loads(context_of(evil, [Action("_id", evil)], slots=[Slot("s", {"_inc": [0], "ok": 3})]))
    assert context["FromUrl"] == [{"ok": 1, "n": {"ok": 2}}]
    assert context["_multi"][0] == {
        "_tag": "_id",
        "i": {"constant": 1, "id": "_id"},
        "j": [{"ok": 1, "n": {"ok": 2}}],
    }
    assert context["_slots"] == [{"_id": "s", "sj": [{"ok": 3}]}]


def test_an_underscore_inside_a_name_or_a_value_stays():
    context = {"a_b": "_c", 'quote"_d': 1}
    assert json.loads(context_of(context))["FromUrl"] == [context]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "not a number"),
        (math.inf, "too large"),
        (-math.inf, "too large"),
        (1e16, "too large"),
        (10**400, "too large"),
        ([1, "x"], "only numbers"),
        ([True], "only numbers"),
        ([[1]], "only numbers"),
        ([{"a": 1}], "only numbers"),
        ([math.nan], "not a number"),
        ({"a": {"b": {"c": {"d": 1}}}}, "deeper"),
    ],
)
def test_values_that_are_refused(value, says):
    context = {"fine": 1, "bad": value}
    with pytest.raises(InvalidRequest, match=says) as caught:
        context_of(context)
    assert caught.value.field.startswith(("context[0].bad", "features"))
    with pytest.raises(InvalidRequest, match=says):
        context_of({}, {"a": context})
    with pytest.raises(InvalidRequest, match=says):
        context_of({}, slots=[Slot("s", context)])


def test_the_value_itself_is_never_said():
    problem = refused("context[0].card", {"card": 4111111111111111e5})
    assert "411" not in problem


@pytest.mark.parametrize("bad", ["text", 7, [7], [[1]], [None], b"x"])
def test_features_that_are_no_objects(bad):
    refused(*(("context" if not isinstance(bad, list) else "context[0]"), bad))


def test_half_a_surrogate_pair():
    assert "Unicode" in refused("features", {"a": "\ud800"})
    assert "Unicode" in refused("features", {"\udfff": 1})


def test_size_and_count_are_limited():
    assert "limits.request_bytes" in refused("request", {"a": "x" * 1_100_000})
    many = {"vector": [0.5] * 20_001}
    assert "limits.features" in refused("features", many)
    assert context_of({"vector": [0.5] * 19_000})


def test_deep_nesting_is_refused_and_not_followed():
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidRequest):
        context_of(deep)
    assert context_of({"a": {"b": {"c": {}}}})
    assert context_of({"a": {"b": {"c": {"d": 1}}}}, limits=Limits(nesting=5))


def test_namespaces_that_would_crash_the_engine_are_renamed(vw):
    from support import GREEDY

    from loopledger.adapters.vw.scorer import VwScorer

    features = {"é": {"x": 1}, "ö": [1, 2], "ü": 1, "n": {"中": {"y": 2}}, "ß": "ß", "q": 'say "é": {'}
    expected = {"~é": {"x": 1}, "~ö": [1, 2], "ü": 1, "n": {"~中": {"y": 2}}, "ß": "ß", "q": 'say "é": {'}
    context = context_of(
        features, {"a": features, "b": msgspec.Raw(json.dumps([features], ensure_ascii=False).encode())}
    )
    seen = json.loads(context)
    assert seen["FromUrl"] == [expected]
    assert [action["j"] for action in seen["_multi"]] == [[expected], [expected]]
    scorer = VwScorer(GREEDY, vw.fold(GREEDY, None, []).model)
    for _ in range(200):
        assert len(scorer.score(context)) == 2
    scorer.close()


@given(st.dictionaries(st.text(max_size=3), st.sampled_from([1, "x", [1], {"a": 1}, {"é": [2]}]), max_size=4))
def test_no_namespace_begins_outside_ascii(features):
    def walk(value):
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                assert name[:1].isascii()
            if isinstance(inner, dict):
                walk(inner)

    try:
        walk(json.loads(context_of(features))["FromUrl"][0])
    except InvalidRequest:
        return


def test_none_is_no_feature_and_no_error():
    assert json.loads(context_of({"a": None, "b": 1}))["FromUrl"] == [{"a": None, "b": 1}]


class Array:
    def __init__(self, values):
        self.values = values

    def tolist(self):
        return self.values


def test_what_other_libraries_bring():
    context = MappingProxyType({"array": Array([1.0, 2.0]), "number": Array(3.5), "price": Decimal("1.25")})
    assert json.loads(context_of(context))["FromUrl"] == [{"array": [1.0, 2.0], "number": 3.5, "price": 1.25}]
    assert "too large" in refused("context[0].array", {"array": Array([1e30])})
    assert "JSON" in refused("features", {"x": object()})


def test_json_features_are_kept_as_they_are():
    raw = msgspec.Raw(b'[{"a": 1,  "n":{"b":[1,2]}}]')
    assert b'"FromUrl":' + bytes(raw) in context_of(raw)
    assert json.loads(context_of(msgspec.Raw(b'{"a":1}')))["FromUrl"] == [{"a": 1}]
    assert json.loads(context_of(msgspec.Raw(b"null")))["FromUrl"] == []
    assert json.loads(context_of(msgspec.Raw(b'[{"_tag":1,"a":2}]')))["FromUrl"] == [{"a": 2}]
    for bad in (b"[1]", b"7", b'"x"', b'[{"a":[[1]]}]', b'[{"a":1e99}]'):
        with pytest.raises(InvalidRequest):
            context_of(msgspec.Raw(bad))


names = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def reserved(value):
    if isinstance(value, dict):
        return any(name.startswith("_") or reserved(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(reserved, value))


@given(st.dictionaries(names, values, max_size=4))
def test_whatever_comes_is_refused_or_clean(context):
    try:
        seen = json.loads(context_of(context))["FromUrl"]
    except InvalidRequest:
        return
    assert not reserved(seen[0])

    def walk(value, depth):
        assert depth <= LIMITS.nesting
        for inner in value.values():
            if isinstance(inner, dict):
                walk(inner, depth + 1)
            elif isinstance(inner, list):
                assert all(type(number) in {int, float} for number in inner)
            elif isinstance(inner, float):
                assert abs(inner) <= LIMITS.magnitude

    walk(seen[0], 1)


def test_tags_and_forced_slots():
    context = context_of({"w": 1}, slots=[Slot("s", {"x": 1}), Slot("t", excluded=["a"]), Slot("u")])
    tagged = json.loads(with_tags(context, ["es", "et", "eu"], [2]))
    assert tagged["_slots"] == [
        {"_id": "s", "_tag": "seed=es", "sj": [], "_inc": [2]},
        {"_id": "t", "_tag": "seed=et", "sj": [], "_inc": [1, 2]},
        {"_id": "u", "_tag": "seed=eu", "sj": []},
    ]
    assert tagged["FromUrl"] == [{"w": 1}]
