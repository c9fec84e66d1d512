"""Which namespaces a loop has, and policies that cross them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopledger
from loopledger import InvalidRequest, LearningPolicy, Namespaces, Slot
from loopledger.adapters.vw.explainer import explain
from loopledger.deciding.context import build_context
from loopledger.learning.namespaces import crossed
from loopledger.policy import check_policy, words_of
from loopledger.settings import Limits

POLICY = LearningPolicy("mine", "--cb_explore_adf --epsilon 0.1 -q :: --interactions ab --cubic abc -l 0.3")
NEWS = Namespaces(("FromUrl", "user"), ("i", "article"))

CONTEXT = {"hour": 3, "user": {"age": "old", "place": {"town": "x"}, "empty": {}}, "seen": [1, 2], "none": []}
ACTIONS = {
    "a": {"long": 1, "article": {"topic": "sports"}},
    "b": [{"article": {"topic": "weather", "by": {"name": "n"}}}, {"only": {"inner": {"x": 1}}}],
}


@pytest.fixture
def loop():
    with loopledger.open(":memory:", clock=loopledger.SimulatedClock()) as ledger:
        yield ledger.create("news", policy=loopledger.ready_policy("recommended"))


def test_a_loops_namespaces_are_those_that_hold_features(loop):
    assert loop.namespaces() == Namespaces((), ("i",))
    loop.rank(CONTEXT, ACTIONS)
    found = loop.namespaces()
    assert found.shared == ("FromUrl", "place", "seen", "user")
    assert found.actions == ("i", "j", "article", "by", "inner")


def test_only_the_last_decisions_are_looked_at(loop):
    loop.rank({"old": {"x": 1}}, ACTIONS, event_id="first")
    for _ in range(3):
        loop.rank({"new": {"x": 1}}, ACTIONS)
    assert loop.namespaces(3).shared == ("new",)
    assert loop.namespaces().shared == ("new", "old")
    with pytest.raises(InvalidRequest, match="decisions"):
        loop.namespaces(0)
    with pytest.raises(InvalidRequest, match="decisions"):
        loop.namespaces("many")


def test_what_was_erased_is_not_looked_at(loop):
    loop.rank({"old": {"x": 1}}, ACTIONS, event_id="first")
    loop.rank({"new": {"x": 1}}, ACTIONS)
    loop.erase(["first"])
    assert loop.namespaces().shared == ("new",)


def test_slots_have_shared_namespaces():
    with loopledger.open(":memory:", clock=loopledger.SimulatedClock()) as ledger:
        loop = ledger.create("page", policy=loopledger.ready_policy("recommended-slots"))
        slots = [Slot("top", {"size": "big", "page": {"n": 1}}), Slot("side")]
        loop.rank_slots({"hour": 1}, {"a": {}, "b": {"x": 1}}, slots)
        assert loop.namespaces() == Namespaces(("FromUrl", "sj", "page"), ("i", "j"))
        loop.change_policy(crossed(loop.policy, loop.namespaces()))
        assert "-q Fi -q Fj -q si -q sj -q pi -q pj" in loop.policy.arguments


async def test_both_faces_say_the_same():
    async with loopledger.open_async(":memory:", clock=loopledger.SimulatedClock()) as ledger:
        loop = await ledger.create("news")
        await loop.rank(CONTEXT, ACTIONS)
        assert (await loop.namespaces()).shared == ("FromUrl", "place", "seen", "user")


def test_pairs_replace_pairs_and_all_else_stays():
    policy = loopledger.crossed(POLICY, NEWS)
    assert policy.arguments == (
        "--cb_explore_adf --epsilon 0.1 --cubic abc --learning_rate 0.3 -q Fi -q Fa -q ui -q ua"
    )
    assert policy.name == "mine, crossed"
    assert crossed(policy, NEWS) == policy


def test_slots_own_features_are_crossed_whether_named_or_not():
    policy = crossed(loopledger.ready_policy("recommended-slots"), Namespaces())
    assert [value for option, value in words_of(policy.arguments) if option == "quadratic"] == [
        *("Fi", "Fj", "si", "sj"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        Namespaces((), ("i",)),
        Namespaces(("u",), ()),
        Namespaces(("",), ("i",)),
        Namespaces((":",), ("i",)),
        Namespaces((" u",), ("i",)),
        Namespaces(("u",), ("é",)),
    ],
)
def test_names_that_cannot_be_said(names):
    with pytest.raises(InvalidRequest, match=r"namespaces\.(shared|actions)"):
        crossed(POLICY, names)


@pytest.mark.parametrize(
    ("policy", "names", "says"),
    [
        (None, NEWS, "policy: must be a LearningPolicy (got NoneType)"),
        ("--cb_explore_adf", NEWS, "policy: must be a LearningPolicy (got str)"),
        (POLICY, None, "namespaces: must be a Namespaces (got NoneType)"),
    ],
)
def test_what_is_crossed_is_of_its_kind(policy, names, says):
    with pytest.raises(InvalidRequest) as caught:
        crossed(policy, names)
    assert str(caught.value) == says


def test_names_that_begin_alike_are_told():
    assert NEWS.alike == ()
    assert Namespaces(("user", "usage", "item"), ("i", "j", "unit")).alike == (
        ("item", "i"),
        ("user", "usage", "unit"),
    )


NAMES = st.lists(st.text("abXY01~", min_size=1, max_size=4), min_size=1, max_size=6).map(tuple)


@given(NAMES, NAMES)
def test_every_shared_name_meets_every_name_of_actions_once(shared, actions):
    words = words_of(check_policy(crossed(POLICY, Namespaces(shared, actions))).arguments)
    pairs = [value for option, value in words if option == "quadratic"]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {one[0] + other[0] for one in shared for other in actions}


def test_the_engine_crosses_just_these():
    context = build_context(CONTEXT, list(ACTIONS), list(ACTIONS.values()), Limits())
    policy = crossed(LearningPolicy("x", "--cb_explore_adf"), Namespaces(("user",), ("i", "article")))
    (actions,) = explain(policy, None, [context])
    pairs = {weight.feature for weight in actions[0] if "^" in weight.feature}
    assert pairs == {"user.age=old^i.constant", "user.age=old^i.id=a", "user.age=old^article.topic=sports"}
