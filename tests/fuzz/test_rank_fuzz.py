"""Whatever is sent to Rank: a typed error or a normal decision, and never a crash or a poisoned model."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from quick import slow_but

from loopledger.adapters.embedding.ledger import Ledger
from loopledger.clock import SimulatedClock
from loopledger.deciding.draw import float32
from loopledger.errors import LoopledgerError
from loopledger.policy import LearningPolicy

names = st.one_of(
    st.text(max_size=6),
    st.sampled_from([
        "_label_cost", "_labelIndex", "_label_probability", "_label_Action", "_multi", "_slots", "_tag", "_text",
        "_inc", "_aux", "_timestamp", "_a", "_p", "_id", "_skipLearn", "pdrop", "a", "c", "p", "o", "FromUrl", "i",
        "j", "", " ", "a b", "x|y", "x:y", "\x00", "ünïcode😀", "\ud800", "__proto__",
    ]),
)  # fmt: skip
numbers = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [3.4e38, 3.5e38, -1e39, 1e-46, 5e-324, 2**53 + 1, 1e15, 1e16, 0, -0.0, math.inf, math.nan]
    ),
)
scalars = st.one_of(
    st.none(), st.booleans(), numbers, st.text(max_size=6), st.just("x" * 5000), st.just("\udc00")
)
features = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(numbers, max_size=6), st.dictionaries(names, inner, max_size=4)
    ),
    max_leaves=12,
)
things = st.one_of(st.dictionaries(names, features, max_size=5), st.lists(features, max_size=3), features)
actions = st.one_of(
    st.dictionaries(names, things, max_size=4),
    st.lists(
        st.fixed_dictionaries({"id": st.one_of(names, numbers)}, optional={"features": things}), max_size=4
    ),
    things,
)

POLICIES = [
    LearningPolicy("default", "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"),
    LearningPolicy("strong", "--cb_explore_adf --squarecb -q :: --cubic :::"),
    LearningPolicy("sgd", "--cb_explore_adf --epsilon 0.1 --sgd -q ::"),
    LearningPolicy("ftrl", "--cb_explore_adf --softmax --ftrl -q ::"),
]


@pytest.fixture(
    scope="module", params=[POLICIES[0], *slow_but((), POLICIES[1:])], ids=lambda policy: policy.name
)
def loop(request, tmp_path_factory):
    clock = SimulatedClock()
    with Ledger(tmp_path_factory.mktemp("fuzz"), clock=clock) as ledger:
        loop = ledger.create("fuzzed", policy=request.param)
        loop.clock = clock
        yield loop
        clock.advance(3600)
        loop.train()
        good = loop.rank({"hour": 3}, {"a": {"x": 1}, "b": {"x": 2}})
        assert sum(action.probability for action in good.ranking) == pytest.approx(1.0, abs=1e-4)
        assert all(math.isfinite(action.probability) for action in good.ranking)
        verification = loop.verify()
        assert verification.findings.problems == ()


def check(loop, decide):
    before = loop.status().events
    try:
        decision = decide()
    except LoopledgerError as error:
        assert str(error)  # noqa: PT017 - either is right, an error or a decision
        assert loop.status().events == before
        return
    assert loop.status().events == before + 1
    slots = getattr(decision, "slots", [decision])
    for slot in slots:
        probabilities = [action.probability for action in slot.ranking]
        assert all(0.0 <= probability <= 1.0 for probability in probabilities)
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-4)
        assert slot.action in {action.id for action in slot.ranking}
        loop.reward(decision.event_id, 1.0, slot=getattr(slot, "slot", None))
    assert len({slot.action for slot in slots}) == len(slots)
    loop.clock.advance(200)


@given(things, actions)
@settings(max_examples=150)
@example({"deep": json.loads("[" * 400 + "]" * 400)}, {"a": {}})
@example({"text": "x" * 1_000_000}, {"a": {}})
@example({"text": "x" * 1_100_000}, {"a": {}})
@example({"big": 3.4e38, "n": {"bigger": 1e15}}, {"a": {"big": 1e15}, "b": {"big": -1e15}})
@example({"tiny": 1e-30, "n": {"tiny": 1e-44}}, {"a": {"tiny": 1e-38}})
@example({"_label_cost": -1000, "_labelIndex": 0}, {"a": {"_label_cost": -1000}})
def test_python_objects(loop, context, given_actions):
    check(loop, lambda: loop.rank(context, given_actions))


def dumped(value):
    return json.dumps(value, allow_nan=True)


@given(
    things,
    actions,
    st.sampled_from([json.dumps, dumped, lambda value: json.dumps(value, ensure_ascii=False)]),
)
@settings(max_examples=100)
@example(
    [{"a": 1}],
    [{"id": "a", "features": [{"_label_cost": 1}]}],
    lambda _: '{"actions":[{"id":"a","features":[{"\\u005flabel_cost":-9,"x":1}]}]}',
)
@example([{"a": 1}], [{"id": "a"}], lambda _: '{"actions":[{"id":"a","features":[{"x":1,"x":1e99}]}]}')
@example(
    [{"a": 1}],
    [{"id": "a"}],
    lambda _: '{"actions":[{"id":"a","features":[{"x":1,"x":2}]}],"actions":[{"id":"b"}]}',
)
@example([{"a": 1}], [{"id": "a"}], lambda _: "[" * 100_000)
@example(
    [{"a": 1}], [{"id": "a"}], lambda _: '{"actions":[{"id":"a","features":[{"x":1' + "0" * 400 + "}]}]}"
)
@example([{"a": 1}], [{"id": "a"}], lambda _: '{"contextFeatures":[{"x":NaN}],"actions":[{"id":"a"}]}')
def test_json_requests(loop, context, given_actions, encode):
    try:
        text = encode({"contextFeatures": context, "actions": given_actions})
        text.encode()
    except (ValueError, RecursionError):
        return
    check(loop, lambda: loop.rank_json(text))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    clock = SimulatedClock()
    policy = LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 -q ::")
    with Ledger(tmp_path_factory.mktemp("slots"), clock=clock) as ledger:
        loop = ledger.create("fuzzed", policy=policy)
        loop.clock = clock
        yield loop
        clock.advance(3600)
        loop.train()
        good = loop.rank_slots({"hour": 3}, {"a": {"x": 1}, "b": {"x": 2}}, [{"id": "s"}, {"id": "t"}])
        assert all(math.isfinite(action.probability) for slot in good.slots for action in slot.ranking)
        assert loop.verify().findings.problems == ()


slot_names = st.sampled_from(["s", "t", "u"]) | names
action_names = st.sampled_from(["a", "b", "c"]) | names
some_actions = st.lists(
    st.fixed_dictionaries({"id": action_names}, optional={"features": things}), max_size=4
)
some_slots = st.lists(
    st.fixed_dictionaries(
        {"id": slot_names},
        optional={
            "features": things,
            "excludedActions": st.none() | st.lists(action_names | numbers, max_size=2),
            "baselineAction": st.none() | action_names | numbers,
        },
    ),
    max_size=3,
)


@given(things, some_actions | actions, some_slots | things, st.sampled_from([json.dumps, dumped]))
@settings(max_examples=100)
@example(
    [{"a": 1}],
    [{"id": "a"}, {"id": "b"}],
    [{"id": "s", "features": [{"_label_cost": 1, "_inc": [7], "sj": {"_tag": "x"}}]}],
    json.dumps,
)
@example(
    [],
    [],
    [],
    lambda _: (
        '{"actions":[{"id":"a"}],"slots":[{"id":"s","features":[{"\\u005finc":[9],"_ccb_slot_index":3}]}]}'
    ),
)
@example([], [], [], lambda _: '{"actions":[{"id":"a"}],"slots":[{"id":"s"}],"slots":[{"id":"t"}]}')
@example([], [], [], lambda _: '{"actions":[{"id":"a"}],"slots":' + "[" * 100_000)
def test_json_requests_for_slots(page, context, given_actions, given_slots, encode):
    try:
        text = encode({"contextFeatures": context, "actions": given_actions, "slots": given_slots})
        text.encode()
    except (ValueError, RecursionError):
        return
    check(page, lambda: page.rank_slots_json(text))


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_rubbish_instead_of_json(loop, page, rubbish):
    check(loop, lambda: loop.rank_json(rubbish))
    check(page, lambda: page.rank_slots_json(rubbish))


@given(names | numbers, numbers | st.text(max_size=3) | st.none(), names | st.none(), names | st.none())
def test_rewards(loop, event_id, value, slot, key):
    before = loop.status().events
    try:
        loop.reward(event_id, value, slot=slot, key=key)
    except LoopledgerError:
        assert loop.status().events == before
        return
    assert -1.0 <= float32(value) <= 1.0


def test_reserved_names_never_reach_the_model(loop):
    escaped = '{"actions":[{"id":"a","features":[{"\\u005flabel_cost":-9,"x":1,"n":{"\\u005ftext":"q"}}]}]}'
    decision = loop.rank_json(escaped)
    (entry,) = loop.log(kinds=["Ranked"], event_id=decision.event_id)
    assert json.loads(bytes(entry.body))["context"]["_multi"][0]["j"] == [{"x": 1, "n": {}}]
