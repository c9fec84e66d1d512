"""Which features there are: counted exactly, remarked on where they are of no use, in bounded memory."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.evaluation import presence as module
from loopledger.evaluation.contents import contents
from loopledger.evaluation.presence import COUNTED, Presence


def context(shared, *actions):
    made = {"FromUrl": [shared], "_multi": [{"i": {"constant": 1, "id": "a"}, "j": [one]} for one in actions]}
    return contents(json.dumps(made).encode())


def counted(contexts, late=10**9, known=()):
    presence = Presence(late)
    for seq, one in enumerate(contexts, start=1):
        presence.add(seq, one)
    return {(one.namespace, one.feature): one for one in presence.found(known)}


def remark(values, name="x", of=None, **more):
    made = [context({name: value} if value is not None else {}, {}) for value in (of or values)]
    return counted(made, **more)["FromUrl", name].remark


@given(st.lists(st.sampled_from([None, 0, 1, 2, "a", "b", True, False]), min_size=1, max_size=80))
def test_shares_and_values_are_exact(values):
    found = counted([context({"x": value, "always": 1}, {}) for value in values])
    there = [value for value in values if value or value == ""]
    if not there:
        assert ("FromUrl", "x") not in found
        return
    one = found["FromUrl", "x"]
    assert one.share == len(there) / len(values)
    assert one.values == len(set(there))
    assert found["FromUrl", None].share == 1.0


def test_a_feature_of_any_action_is_there_once():
    found = counted([context({}, {"x": 1}, {"x": 2}), context({}, {"y": 1}, {})])
    assert (found["j", "x"].share, found["j", "x"].values) == (0.5, 2)
    assert ("i", "constant") not in found
    assert found["i", "id"].share == 1.0


def test_what_is_always_the_same_is_constant():
    assert remark([7] * 5) == "constant"
    assert remark(["v1"] * 5) == "constant"
    assert remark([7, 8] * 5) is None
    # Whether it is there tells something.
    assert remark([7, None] * 5) is None


def test_what_all_actions_share_is_constant_and_what_one_has_is_not():
    found = counted([context({}, {"x": 1, "y": 1}, {"x": 1})] * 5)
    assert found["j", "x"].remark == "constant"
    assert found["j", "y"].remark is None


def test_texts_that_never_come_again_are_unique():
    assert remark([f"session-{number}" for number in range(60)]) == "unique per event"
    assert remark([f"session-{number % 40}" for number in range(60)]) is None
    assert remark([f"session-{number}" for number in range(20)]) is None  # too few to say so


def test_numbers_that_count_up_are_unique_and_measures_are_not():
    assert remark([1_700_000_000 + 7 * number for number in range(60)]) == "unique per event"
    assert remark([(number * 7919) % 10_007 for number in range(1, 61)]) is None
    assert remark([0.37 * number + 0.1 for number in range(60)]) is None


def test_what_is_hardly_ever_there_is_named():
    assert remark([1, 2] + [None] * 298) == "nearly never present"
    assert remark([1, 2] + [None] * 98) is None


def test_what_is_gone_is_named():
    values = [1, 2] * 60 + [None] * 60
    assert remark(values, late=121) == "no longer present"
    assert remark(values, late=120) is None
    assert remark(values[:150], late=121) is None  # too few since to say so


def test_what_was_known_before_and_is_not_there_at_all_is_named():
    found = counted([context({"x": 1}, {})], known=[("FromUrl", "x"), ("FromUrl", "old"), ("geo", None)])
    assert found["FromUrl", "old"].remark == "never present"
    assert (found["FromUrl", "old"].share, found["FromUrl", "old"].values) == (0.0, 0)
    assert found["geo", None].remark == "never present"
    assert found["FromUrl", "x"].remark == "constant"


def test_values_are_counted_up_to_a_thousand_and_then_let_go():
    presence = Presence(10**9)
    for number in range(COUNTED + 500):
        presence.add(number + 1, context({"x": f"{number}" * 40}, {}))
    seen = presence._seen["FromUrl", "x"]
    assert seen.counted == COUNTED
    assert seen.values is None
    assert not presence.crowded


def test_names_made_of_data_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(module, "MOST_NAMES", 100)
    presence = Presence(10**9)
    for number in range(500):
        presence.add(number + 1, context({f"user-{number}": 1}, {}))
    assert presence.crowded
    assert len(list(presence.found())) == 100


def test_values_of_many_features_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(module, "_MOST_VALUES", 50)
    presence = Presence(10**9)
    for number in range(100):
        presence.add(number + 1, context({"x": number + 1, "y": f"{number}"}, {}))
    held = sum(len(seen.values or ()) for seen in presence._seen.values())
    assert presence.crowded
    assert held <= 52


@pytest.mark.parametrize("size", [10, 1000])
def test_long_values_are_held_as_their_digests(size):
    presence = Presence(10**9)
    presence.add(1, context({"x": "a" * size}, {}))
    presence.add(2, context({"x": "a" * (size - 1) + "b"}, {}))
    seen = presence._seen["FromUrl", "x"]
    assert seen.counted == 2
    assert all(len(value) <= 64 for value in seen.values or [])
