"""The space of learning policies: all that is in it is allowed, and the engine takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.evaluation.space import Choice, space
from loopledger.learning.namespaces import Namespaces
from loopledger.policy import policy_from, words_of

FOUND = Namespaces(shared=("FromUrl", "user", "time"), actions=("i", "j", "body"))


def made(**how):
    usual = {"multi_slot": False, "exploration": None, "reward_range": (0.0, 1.0)}
    return space(FOUND, **{**usual, **how})


@st.composite
def places(draw, there):
    place = {}
    for parameter in there.parameters:
        if there.applies(parameter, place):
            values = (
                st.sampled_from(parameter.options)
                if isinstance(parameter, Choice)
                else st.floats(parameter.least, parameter.most)
            )
            place[parameter.name] = draw(values)
    return place


@pytest.mark.parametrize("multi_slot", [False, True])
@given(data=st.data())
def test_every_place_is_a_policy_that_is_allowed(multi_slot, data):
    there = made(multi_slot=multi_slot)
    policy = there.policy_at(data.draw(places(there)), "one")
    assert policy_from({"name": policy.name, "arguments": policy.arguments}) == policy
    assert policy.multi_slot == multi_slot


@given(data=st.data())
def test_the_engine_takes_every_place(vw, data):
    there = made()
    vw.probe(there.policy_at(data.draw(places(there)), "one"))


@pytest.mark.parametrize(
    "how", [{}, {"multi_slot": True}, {"exploration": 0.1}, {"reward_range": (-1.0, 2.0)}]
)
def test_starts_lie_in_the_space_and_are_not_alike(vw, how):
    there = made(**how)
    names = {parameter.name: parameter for parameter in there.parameters}
    for start in there.starts:
        assert set(start) == {name for name in names if there.applies(names[name], start)} - {
            name for name in names if name.startswith("pair ")
        }
        for name, value in start.items():
            parameter = names[name]
            if isinstance(parameter, Choice):
                assert value in parameter.options
            else:
                assert parameter.least <= value <= parameter.most
        vw.probe(there.policy_at(start, "start"))
    arguments = {there.policy_at(start, "start").arguments for start in there.starts}
    assert len(arguments) >= len(there.starts) - (1 if how.get("exploration") else 0)


def test_exploration_that_a_setting_says_is_not_searched():
    assert "epsilon" in {parameter.name for parameter in made().parameters}
    assert "epsilon" not in {parameter.name for parameter in made(exploration=0.1).parameters}


def test_the_moment_is_crossed_with_the_actions():
    there = made()
    start = next(start for start in there.starts if start["interactions"] == "shared with actions")
    crossed = [
        value for option, value in words_of(there.policy_at(start, "x").arguments) if option == "quadratic"
    ]
    assert sorted(crossed) == sorted(one + other for one in "Fut" for other in "ijb")


def test_costs_are_rewards_with_the_sign_turned():
    there = made(reward_range=(-1.0, 2.0))
    start = next(start for start in there.starts if start["exploration"] == "regcb")
    words = dict(words_of(there.policy_at(start, "x").arguments))
    assert (float(words["cb_min_cost"]), float(words["cb_max_cost"])) == (-2.0, 1.0)


def test_namespaces_that_no_policy_can_name_are_passed_over():
    there = space(
        Namespaces(shared=("äpfel", "user"), actions=("i",)),
        multi_slot=False,
        exploration=None,
        reward_range=(0.0, 1.0),
    )
    assert there.pairs == ("ui",)
