import json

import pytest
from cooked import TIMES, cb, ccb, context, encoded, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from loopledger.errors import InvalidRequest, LearnerFailed
from loopledger.exchange.cooked import learning_line
from loopledger.exchange.cooked_context import read_context
from loopledger.exchange.cooked_line import read_line
from loopledger.learning.joining import join
from loopledger.log.events import encode
from loopledger.log.journal import Outcome, Traced
from loopledger.policy import LearningPolicy
from loopledger.settings import Limits, Settings

LIMITS = Limits()
CB_POLICY = LearningPolicy("p", "--cb_explore_adf --epsilon 0.2 -l 0.5 -q ::")
CCB_POLICY = LearningPolicy("p", "--ccb_explore_adf --epsilon 0.2 -l 0.5 -q ::")


def read(value):
    return read_context(value if isinstance(value, bytes) else json.dumps(value).encode(), LIMITS)


def ours(line):
    found = read_line(line, Settings(), TIMES)
    outcomes = [Outcome(at, found.at, one.kind, encode(one)) for at, one in enumerate(found.observed, 2)]
    return learning_line(join(Traced(1, found.at, found.event_id, encode(found.decision), outcomes)))


def same_model(vw, line):
    policy = CB_POLICY if b"_outcomes" not in line else CCB_POLICY
    return vw.fold(policy, None, [ours(line)]) == vw.fold(policy, None, [line])


def test_what_a_rank_could_have_made_is_kept_to_the_byte():
    for body in (context(), ccb()["c"], context(features={"deep": {"n": [1, 2.5]}, "flag": True})):
        for spaces in ((",", ":"), (", ", ": ")):
            raw = json.dumps(body, separators=spaces).encode()
            assert read(raw).body == raw


@pytest.mark.parametrize(
    "odd",
    [
        {"shared": {"x": 1}, "_multi": [{"TAction": {"y": 1}}, {"TAction": {"y": 2}}]},
        {"_multi": [{"_tag": "a", "y": 1}, {"_tag": "b", "y": 2}]},
        {"GUser": {"id": "a", "nested": {"n": 1}}, "other": 3, "list": [1, 2], **context()},
        {"FromUrl": {"x": None}, "_multi": [{"i": {"id": "first"}, "j": {"y": "ä\n"}}, {"i": {"id": 7}}]},
    ],
)
def test_other_layouts_are_kept_to_the_byte_too(vw, odd):
    raw = json.dumps(odd).encode()
    found = read(raw)
    assert found.body == raw
    count = len(odd["_multi"])
    order = list(range(1, count + 1))
    line = encoded(cb(c=odd, chosen=1, a=order, p=[0.5, *[0.5 / (count - 1)] * (count - 1)]))
    assert same_model(vw, line)


def test_an_action_is_called_by_its_tag_its_id_or_its_place():
    odd = {"_multi": [{"_tag": "a", "i": {"id": "x"}}, {"i": {"id": "b"}}, {"i": {"id": 7}}, {"y": 1}]}
    assert read(odd).actions == ("a", "b", "2", "3")


@pytest.mark.parametrize("value", [1, "text", None, True, [1, 2], [{"q": 1}], {"q": {"_tag": '}"]'}}])
@pytest.mark.parametrize("place", ["context", "action", "nested", "slot"])
def test_names_that_the_learner_passes_over_are_left_out_and_it_learns_the_same(vw, place, value):
    line = ccb() if place == "slot" else cb()
    holder = {
        "context": line["c"],
        "action": line["c"]["_multi"][1]["j"][0],
        "nested": line["c"]["FromUrl"][0].setdefault("deeper", {"n": 1}),
        "slot": line["c"].get("_slots", [{"sj": [{}]}])[0]["sj"][0],
    }[place]
    holder["_updated"] = value
    kept = json.loads(read(line["c"]).body)
    assert "_updated" not in json.dumps(kept)
    del holder["_updated"]
    assert kept == line["c"]
    holder["_updated"] = value
    assert same_model(vw, encoded(line))


def test_what_a_slot_may_get_means_the_same_beside_its_features(vw):
    slots = [{"_id": "s", "sj": [{"y": 1}, {"_inc": [1, 2]}]}, {"_id": "t", "sj": [{"y": 2}]}]
    line = ccb(slots=slots, outcomes=[outcome("s", [2, 1], reward=1.0), outcome("t", [1, 0])])
    for one in line["_outcomes"]:
        one["_o"] = [{"v": -one["_label_cost"], "Index": one["_id"]}]
    assert same_model(vw, encoded(line))


INSTRUCTIONS = [
    "_tag",
    "_text",
    "_Text",
    "_multi",
    "_slots",
    "_inc",
    "_label",
    "_label_cost",
    "_labelIndex",
    "_a",
]


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_to_the_learner_are_refused(name):
    for body in (
        context(features={name: 1}),
        context(shared=[{"x": {name: 1}}]),
        context(shared=[{"x": 1, name: "text"}]),
    ):
        with pytest.raises(InvalidRequest, match="learner's parser"):
            read(body)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        (r"c.FromUrl\[0\].é|c.FromUrl.é", context(shared=[{"é": {"x": 1}}])),
        ("c.ü", {"ü": {"x": 1}, **context()}),
        ("c.FromUrl", context(shared=[{"x": ["a"]}])),
        ("c.FromUrl", context(shared=[{"x": [[1]]}])),
        ("c.FromUrl", context(shared=[{"x": 1e16}])),
        ("c.FromUrl", context(shared=[{"a": {"b": {"c": {"d": {"e": 1}}}}}])),
        ("features", context(shared=[{"x": "\ud800"}])),
        ("features", context(shared=[{f"f{n}": n for n in range(20_001)}])),
        (r"actions\[1\].id", context(actions=("a", "a", "b"))),
        (r"actions\[0\].id", {"_multi": [{"_tag": 7}, {"_tag": "b"}]}),
        ("c: ", b'{"_multi":[{"x":1,"x":2}]}'),
        ("c: ", b'{"_multi":[{"x":NaN}]}'),
        ("c: ", b'{"_multi":[{"x":"\xff"}]}'),
        ("c: ", '{"_multi":[{"x":1}]}'.encode("utf-16")),
        ("c: ", b'{"_multi":[{"x":' + b"9" * 5000 + b"}]}"),
        ("c: ", b'{"_multi":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ],
)
def test_what_would_have_to_be_changed_or_do_harm_is_refused(field, body):
    with pytest.raises(InvalidRequest, match=field):
        read(body)


def learned_alike(vw, policy, example, line):
    made = vw.fold(policy, None, [example])
    try:
        assert made == vw.fold(policy, None, [line])
    except LearnerFailed:
        # It stumbles over some of the names that it passes over; those we have left out.
        assert json.loads(example)["c"] != json.loads(line)["c"]


NAMES = st.text(min_size=1, max_size=4) | st.sampled_from(["_x", "_Tag", "x", "i", "|", ":", " ", "constant"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(width=32) | st.text(max_size=4)
FEATURES = st.recursive(
    SCALARS | st.lists(st.floats(-9, 9), max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(
    shared=st.dictionaries(NAMES, FEATURES, max_size=3),
    actions=st.lists(st.dictionaries(NAMES, FEATURES, max_size=2), min_size=2, max_size=3),
)
def test_whatever_is_taken_is_learned_as_the_line_itself_would_be(vw, shared, actions):
    order = list(range(1, len(actions) + 1))
    body = {**shared, "_multi": actions}
    line = encoded(cb(c=body, chosen=1, a=order, p=[0.5] * len(order), reward=1.0, observed=[{"v": 1.0}]))
    try:
        example = ours(line)
    except InvalidRequest:
        return
    learned_alike(vw, CB_POLICY, example, line)


@settings(max_examples=40)
@given(
    shared=st.dictionaries(NAMES, FEATURES, max_size=2),
    slots=st.lists(st.dictionaries(NAMES, FEATURES, max_size=2), min_size=1, max_size=2),
)
def test_whatever_is_taken_with_slots_is_learned_as_the_line_itself_would_be(vw, shared, slots):
    body = {**shared, "_multi": [{"x": 1}, {"x": 2}, {}], "_slots": slots}
    outcomes = [outcome(str(at), [2 - at, 0]) for at in range(len(slots))]
    line = encoded(ccb(c=body, outcomes=outcomes))
    try:
        example = ours(line)
    except InvalidRequest:
        return
    learned_alike(vw, CCB_POLICY, example, line)


def test_one_action_and_no_features_at_all(vw):
    assert same_model(vw, encoded(cb(c={"_multi": [{}]}, chosen=1, a=[1], p=[1.0], _label_probability=1.0)))
    assert same_model(vw, encoded(ccb(c={"_multi": [{}], "_slots": [{}]}, outcomes=[outcome("s", [0])])))
