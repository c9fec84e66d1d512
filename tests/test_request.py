import pytest

from loopledger.deciding.request import Action, Slot, check_excluded, check_id, read_actions, read_slots
from loopledger.errors import InvalidRequest
from loopledger.settings import Limits

LIMITS = Limits()
IDS = ("a", "b", "c")


def refused(field, function, *args):
    with pytest.raises(InvalidRequest) as caught:
        function(*args)
    assert caught.value.field == field
    assert caught.value.problem
    return caught.value.problem


def test_forms_of_actions():
    expected = (("a", "b"), [{"x": 1}, None])
    assert read_actions({"a": {"x": 1}, "b": None}, LIMITS) == expected
    assert read_actions([Action("a", {"x": 1}), Action("b")], LIMITS) == expected
    assert read_actions([{"id": "a", "features": {"x": 1}}, {"id": "b"}], LIMITS) == expected
    assert read_actions(iter([Action("a", {"x": 1}), Action("b")]), LIMITS) == expected


def test_actions_that_are_refused():
    assert "got 0" in refused("actions", read_actions, [], LIMITS)
    assert "1 to 50" in refused("actions", read_actions, [Action(str(i)) for i in range(51)], LIMITS)
    refused("actions", read_actions, "abc", LIMITS)
    refused("actions", read_actions, 7, LIMITS)
    refused("actions[1]", read_actions, [Action("a"), "b"], LIMITS)
    refused("actions[0]", read_actions, [{"name": "a"}], LIMITS)
    refused("actions[0]", read_actions, [{"id": "a", "features": {}, "other": 1}], LIMITS)
    assert "twice" in refused("actions[1].id", read_actions, [Action("a"), Action("a")], LIMITS)
    refused("actions[1].id", read_actions, [Action("a"), Action("")], LIMITS)
    refused("actions[1].id", read_actions, [Action("a"), Action(7)], LIMITS)
    refused("actions[0].id", read_actions, [Action("x" * 257)], LIMITS)


@pytest.mark.parametrize("good", ["a", "x" * 256, "with space", "ünïcode 😀", "a/b?c=%20", "'; --", "\u00a0"])
def test_ids_that_are_fine(good):
    check_id("id", good, LIMITS)
    read_actions([Action(good)], LIMITS)


@pytest.mark.parametrize("bad", ["", "x" * 257, "\ud800", "a\nb", "a\x00", "\x7f", None, 7, b"a"])
def test_ids_that_are_refused(bad):
    refused("id", check_id, "id", bad, LIMITS)
    refused("actions[0].id", read_actions, [Action(bad)], LIMITS)


def test_excluded():
    assert check_excluded("excluded", ["b", "b"], IDS) == ("b",)
    assert "not in the request" in refused("excluded", check_excluded, "excluded", ["x"], IDS)
    assert "every action" in refused("excluded", check_excluded, "excluded", ["a", "b", "c"], IDS)
    refused("excluded", check_excluded, "excluded", "a", IDS)
    refused("excluded", check_excluded, "excluded", 5, IDS)
    refused("excluded", check_excluded, "excluded", [["a"]], IDS)


def test_slots():
    (first, terms), (_, other) = read_slots(
        [Slot("s", {"size": 1}), {"id": "t", "excluded": ["a"]}], IDS, LIMITS
    )
    assert first.features == {"size": 1}
    assert (terms.baseline, terms.offered) == (0, (0, 1, 2))
    assert (other.baseline, other.excluded, other.offered) == (1, ("a",), (1, 2))


def test_slots_that_are_refused():
    refused("slots", read_slots, [], IDS, LIMITS)
    refused("slots", read_slots, [Slot(str(i)) for i in range(4)], IDS, LIMITS)
    refused("slots", read_slots, {"s": {}}, IDS, LIMITS)
    refused("slots[1].id", read_slots, [Slot("s"), Slot("s")], IDS, LIMITS)
    refused("slots[0].baseline", read_slots, [Slot("s", baseline="x")], IDS, LIMITS)
    refused("slots[0].baseline", read_slots, [Slot("s", baseline="a", excluded=["a"])], IDS, LIMITS)
    refused("slots[1].baseline", read_slots, [Slot("s", baseline="a"), Slot("t", baseline="a")], IDS, LIMITS)
    two = [Slot("s"), Slot("t", excluded=["a", "b"])]
    assert "leave at least one more" in refused("slots[1].excluded", read_slots, two, IDS, LIMITS)
    greedy = [Slot("s", baseline="b"), Slot("t", baseline="c"), Slot("u", excluded=[])]
    assert read_slots(greedy, IDS, LIMITS)[2][1].baseline == 0
    none_left = [Slot("s", baseline="a"), Slot("t", baseline="b", excluded=["c"]), Slot("u")]
    assert read_slots(none_left, IDS, LIMITS)[2][1].baseline == 2
    refused(
        "slots[1].baseline",
        read_slots,
        [Slot("s", baseline="a"), Slot("t", excluded=["b"], baseline="a")],
        IDS,
        LIMITS,
    )


def test_a_baseline_that_cannot_be_guessed():
    slots = [Slot("s", baseline="a"), Slot("t", baseline="b"), Slot("u", excluded=[], baseline=None)]
    assert read_slots(slots, IDS, LIMITS)[2][1].baseline == 2
    slots = [Slot("s", baseline="b"), Slot("t", excluded=["a", "c"])]
    refused("slots[1].excluded", read_slots, slots, IDS, LIMITS)
    four = ("a", "b", "c", "d")
    slots = [Slot("s", baseline="b"), Slot("t", baseline="c"), Slot("u", excluded=["a"], baseline=None)]
    assert read_slots(slots, four, LIMITS)[2][1].baseline == 3
    slots = [Slot("s", baseline="b"), Slot("t", baseline="c"), Slot("u", excluded=["a"])]
    refused("slots[2].excluded", read_slots, slots, IDS, LIMITS)
