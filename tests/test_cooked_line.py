import json

import msgspec
import pytest
from cooked import CB, CCB, DANGLING, TIMES, cb, ccb, context, encoded, lines, observation, outcome
from hypothesis import given
from hypothesis import strategies as st

from loopledger.deciding.draw import float32, float32s
from loopledger.errors import InvalidRequest
from loopledger.exchange.cooked_line import read_line
from loopledger.learning.joining import join
from loopledger.log.events import Activated, Rewarded, encode
from loopledger.log.journal import Outcome, Traced
from loopledger.settings import Limits, Settings

SETTINGS = Settings()


def read(line, settings=SETTINGS):
    return read_line(line if isinstance(line, bytes) else encoded(line), settings, TIMES)


def joined(found):
    outcomes = [Outcome(at, found.at, one.kind, encode(one)) for at, one in enumerate(found.observed, 2)]
    return join(Traced(1, found.at, found.event_id, encode(found.decision), outcomes))


def refused(line, settings=SETTINGS):
    with pytest.raises(InvalidRequest) as raised:
        read(line, settings)
    return raised.value


@pytest.mark.parametrize("line", range(20))
def test_every_label_of_the_real_log_comes_out_again(line):
    raw = lines(CB)[line]
    cooked = json.loads(raw)
    found = read(raw)
    (label,) = joined(found).labels
    assert (label.reward, label.original_reward) == (-cooked["_label_cost"], -cooked["_original_label_cost"])
    assert (label.position, float32(label.probability)) == (
        cooked["_labelIndex"],
        cooked["_label_probability"],
    )
    # Byte for byte what the model saw.
    assert bytes(found.decision.context) in raw
    assert (found.decision.origin, found.decision.model_version) == ("N/A", 0)


def test_every_label_of_the_real_log_of_slots_comes_out_again():
    for raw in lines(CCB):
        found = read(raw)
        for label, one in zip(joined(found).labels, json.loads(raw)["_outcomes"], strict=True):
            assert float32(label.reward) == float32(-one["_label_cost"])
            assert (label.slot, label.position) == (one["_id"], one["_a"][0])
        assert bytes(found.decision.context) in raw


def test_rewards_without_a_decision():
    for number, raw in enumerate(lines(DANGLING), start=1):
        found = read(raw)
        assert found.decision is None
        assert found.observed == (Rewarded(value=number / 1000),)
    alone = {"RewardValue": None, "ActionTaken": True, "EnqueuedTimeUtc": "2021-03-08", "EventId": "e"}
    assert read(alone).observed == (Activated(),)


def earliest(values):
    return values[0]


def added(values):
    total = 0.0
    for value in values:
        total = float32(total + float32(value))
    return total


def averaged(values):
    return float32(added(values) / len(values))


AGGREGATIONS = {"earliest": earliest, "sum": added, "average": averaged, "min": min, "max": max}
VALUES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.7, 1.0, 0.42, 0.6]), max_size=6)


@given(
    values=VALUES,
    how=st.sampled_from(sorted(AGGREGATIONS)),
    default=st.sampled_from([0.0, -1.0, 0.5, 0.3]),
    chosen=st.sampled_from([1, 2, 3]),
    mode=st.sampled_from(["Online", "Apprentice"]),
    deferred=st.sampled_from(["no", "activated", "never"]),
)
def test_a_line_of_any_terms_comes_out_again(values, how, default, chosen, mode, deferred):
    original = AGGREGATIONS[how](values) if values else default
    reward = original if mode == "Online" else float(chosen == 1)
    observed = [observation(value) for value in values]
    if deferred == "activated":
        observed.append({"EventId": "e", "ActionTaken": True})
    more = {"_skipLearn": True} if deferred == "never" else {}
    line = cb(reward=reward, original=original, chosen=chosen, observed=observed or None, **more)
    found = read(line, Settings(reward_aggregation=how))
    rewards = [one.value for one in found.observed if isinstance(one, Rewarded)]
    assert rewards == pytest.approx(values, abs=1e-6)
    example = joined(found)
    (label,) = example.labels
    assert float32(label.reward) == float32(reward)
    assert float32(label.original_reward) == float32(original)
    assert label.position == chosen - 1
    assert example.skipped == ("not activated" if deferred == "never" else None)
    assert found.decision.deferred == (deferred != "no")


def test_the_settings_aggregation_is_tried_first_and_then_the_others():
    line = cb(reward=1.0, observed=[observation(0.25), observation(0.75)])
    assert read(line).decision.reward_aggregation == "sum"
    same = cb(reward=0.5, observed=[observation(0.5), observation(0.5)])
    assert read(same).decision.reward_aggregation == "earliest"
    assert read(same, Settings(reward_aggregation="median")).decision.reward_aggregation == "median"


def test_slots_have_labels_activations_and_baselines_of_their_own():
    line = ccb(
        outcomes=[
            outcome("s", [2, 0, 1], reward=0.5, observed=[observation(0.5, Index="0")]),
            outcome("t", [1, 0], reward=0.25, observed=[{"ActionTaken": True, "Index": "t"}]),
        ]
    )
    found = read(line)
    assert [label.reward for label in joined(found).labels] == [0.5, 0.25]
    assert found.decision.deferred
    assert found.decision.default_reward == 0.25
    assert [slot.baseline for slot in found.decision.slots] == [0, 1]
    assert found.decision.origin == "model-7"
    imitating = ccb(
        outcomes=[
            outcome("s", [2, 0, 1], reward=0.0, original=0.5),
            outcome("t", [1, 0], reward=1.0, original=0.5),
        ]
    )
    assert read(imitating).decision.learning_mode == "Apprentice"


def test_what_a_slot_may_get_is_taken_from_where_personalizer_wrote_it():
    slots = [{"_id": "s", "sj": [{"y": 1}, {"_inc": [1, 2]}]}, {"_id": "t", "sj": [{"y": 2}]}]
    found = read(ccb(slots=slots, outcomes=[outcome("s", [2, 1]), outcome("t", [1, 0])]))
    assert found.decision.slots[0].excluded == ("a",)
    assert json.loads(bytes(found.decision.context))["_slots"][0] == {
        "_id": "s",
        "sj": [{"y": 1}, {}],
        "_inc": [1, 2],
    }
    assert refused(ccb(slots=slots)).field == "_outcomes[0]._a"
    slots[0]["_inc"] = [0]
    assert "twice" in str(refused(ccb(slots=slots)))


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("EventId", cb("")),
        ("EventId", cb("x" * 257)),
        ("line", cb(...)),
        ("line", cb(a="x")),
        ("line", b"{"),
        ("line", b"[]"),
        ("line", b'"\xff"'),
        ("line", b"[" * 5000),
        ("line", b'{"EventId":"e","x":"' + b"x" * 1_400_000 + b'"}'),
        ("c", cb(c=...)),
        ("c", cb(c=None)),
        ("c", cb(c=[])),
        ("c", cb(c={"FromUrl": []})),
        ("actions", cb(c={"_multi": []})),
        ("c._multi[0]", cb(c={"_multi": [1]})),
        ("c._slots", cb(c={**context(), "_slots": []})),
        ("c._slots", cb(c={**context(), "_slots": [{"_id": "s", "sj": []}]})),
        ("Timestamp", cb(Timestamp=...)),
        ("Timestamp", cb(Timestamp="yesterday")),
        ("Timestamp", cb(Timestamp="2026-02-01T00:00:00Z")),
        ("Timestamp", cb(Timestamp="9999-12-31T23:59:59.999999-12:00")),
        ("Timestamp", cb(Timestamp="1969-12-31")),
        ("a", cb(a=...)),
        ("a", cb(p=...)),
        ("a", cb(_label_cost=...)),
        ("a", cb(a=[2, 1])),
        ("a", cb(a=[2, 2, 1])),
        ("a", cb(a=[4, 1, 2])),
        ("a", cb(a=[0, 1, 2])),
        ("a", cb(p=[0.5, 0.25])),
        ("a", cb(p=[0.5, 0.25, 1.5])),
        ("a", cb(p=[0.5, 0.25, -0.1])),
        ("p", cb(p=[0.0, 0.5, 0.5], _label_probability=0.0)),
        ("_label_Action", cb(_label_Action=1)),
        ("_label_Action", cb(_label_Action=0)),
        ("_labelIndex", cb(_labelIndex=0)),
        ("_label_probability", cb(_label_probability=0.25)),
        ("_label_cost", cb(reward=0.5, observed=[observation(0.25)])),
        ("_label_cost", cb(reward=0.5, original=0.25)),
        ("_label_cost", cb(_label_cost=1e300)),
        ("_label_cost", cb(_skipLearn=True, observed=[{"ActionTaken": True}])),
        ("_original_label_cost", cb(reward=7.0)),
        ("o", cb(reward=7.0, observed=[observation(7.0)])),
        ("VWState.m", cb(VWState={"m": "x" * 300})),
        ("_outcomes", ccb(_outcomes=[outcome("s", [0, 1, 2])])),
        ("_outcomes", ccb(outcomes=[outcome("s", [0, 1, 2]), outcome("t", [0, 1])])),
        ("_outcomes[1]._id", ccb(outcomes=[outcome("s", [0, 1, 2]), outcome("s", [1, 0])])),
        ("_outcomes[0]._a", ccb(outcomes=[outcome("s", [3, 1, 2]), outcome("t", [1, 0])])),
        ("_ba[1]", ccb(_ba=[0, 3])),
        ("_ba[0]", ccb(_ba=[-1])),
        ("_original_label_cost", ccb(outcomes=[outcome("s", [0, 1], reward=5.0), outcome("t", [1])])),
        ("_label_cost", ccb(outcomes=[outcome("s", [0, 1], reward=0.5), outcome("t", [1], reward=0.25)])),
    ],
)
def test_what_cannot_be_taken_is_named(field, line):
    assert refused(line).field == field


def test_a_wider_reward_range_takes_larger_rewards():
    line = cb(reward=7.0, observed=[observation(7.0)])
    assert read(line, Settings(reward_range=(-10.0, 10.0))).observed == (Rewarded(value=7.0),)


def test_a_line_that_stood_for_others_is_taken_and_told():
    found = read(cb(pdrop=0.75, _label_probability=0.125))
    assert found.weighted
    assert joined(found).labels[0].probability == 0.5


@pytest.mark.parametrize("value", ["seven", {"a": 1}, None, True])
def test_a_reward_that_is_no_number_counted_as_nothing(value):
    assert read(cb(reward=0.0, observed=[observation(value)])).observed == (Rewarded(value=0.0),)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(sorted({*cb(), *ccb(), "o", "pdrop", "_skipLearn"})),
    st.sampled_from([cb, ccb]),
)
def test_nothing_but_a_sentence_comes_of_a_wrong_line(value, name, make):
    try:
        found = read(encoded(make(**{name: value})))
    except InvalidRequest:
        return
    assert found.decision is None or joined(found)


def test_limits_are_those_of_the_settings():
    assert read(cb())
    assert refused(cb(), Settings(limits=Limits(actions=2), minimum_probability=0.0)).field == "actions"
    assert (
        refused(cb(c=context(features={"x": "y" * 2000})), Settings(limits=Limits(request_bytes=1024))).field
        == "c"
    )


def test_the_default_of_an_unrewarded_line_is_never_a_negative_zero():
    decision = read(ccb()).decision
    assert msgspec.json.encode(decision.default_reward) == b"0.0"


def test_32_bit_floats_are_what_is_compared():
    whole = cb(reward=float32(0.7), original=float32(0.7), observed=[observation(0.7)])
    assert read(whole).observed == (Rewarded(value=0.7),)
    first, second = float32s([0.7, 0.1])
    both = cb(reward=float32(first + second), observed=[observation(0.7), observation(0.1)])
    assert float32(joined(read(both)).labels[0].reward) == float32(first + second)
