"""When it is safe to go Online, and the reasons."""

import pytest

from loopledger.evaluation.readiness import readiness
from loopledger.evaluation.stretch import Case, Counting


def stretch(matched, reward=0.4, likeliest=0.85, count=1_000, miss=None):
    """Return so many cases of which a share is matched, and a share of both is rewarded."""
    cases = []
    for at in range(count):
        hit = at < matched * count
        share = reward if hit or miss is None else miss
        cases.append(Case(at + 1, at, hit, float((at * 37) % 100 < share * 100), likeliest))
    return Counting(cases).stretch()


def judge(recent, batches=(), slots=(), wanted=1_000):
    return readiness(recent, wanted, batches, slots)


def test_a_model_that_does_what_its_caller_does_may_go_online():
    found = judge(stretch(0.84))
    assert found.judgement == "ready"
    assert found.says.startswith("Yes.")
    assert "84.0%" in found.reasons[0]
    assert "85.0%" in found.reasons[0]


@pytest.mark.parametrize("matched", [0.25, 0.5, 0.7, 0.77])
def test_one_that_does_not_yet_stays(matched):
    found = judge(stretch(matched))
    assert found.judgement == "not yet"
    assert any("at least" in reason for reason in found.reasons)


def test_matching_by_chance_among_many_actions_is_no_knowledge():
    # Nine tenths of a plateau of 10 % would be reached by drawing evenly.
    found = judge(stretch(0.1, likeliest=0.1))
    assert found.judgement == "not yet"
    assert any("exploration" in reason.lower() for reason in found.reasons[2:])


def test_few_cases_are_not_enough():
    assert judge(stretch(0.84, count=300)).judgement == "not enough data"
    assert judge(stretch(0.84, count=300), wanted=300).judgement == "ready"
    assert judge(stretch(0.2, count=300)).judgement == "not yet"


def test_a_match_rate_that_may_be_too_low_is_not_enough_data_where_cases_are_few():
    found = judge(stretch(0.78, count=300), wanted=300)
    assert found.judgement == "not enough data"
    assert "76.5%" in found.reasons[-1]


def test_few_rewards_are_not_enough():
    found = judge(stretch(0.84, reward=0.01))
    assert found.judgement == "not enough data"
    assert "recent" in found.reasons[-1]


def test_without_rewards_the_match_rate_decides():
    found = judge(stretch(0.84, reward=0.0))
    assert found.judgement == "ready"
    assert "only the match rate" in found.reasons[1]


def test_missing_just_what_earns_is_not_good_enough():
    found = judge(stretch(0.84, reward=0.1, miss=1.0))
    assert found.judgement == "not yet"
    assert any("earn" in reason for reason in found.reasons[2:])


def test_a_falling_match_rate_waits():
    batches = [stretch(0.9, likeliest=0.92), stretch(0.84)]
    assert judge(batches[-1], batches).judgement == "not yet"
    assert judge(batches[-1], batches[::-1]).judgement == "ready"


def test_one_bad_slot_holds_back_the_rest():
    found = judge(stretch(0.84), slots=[("top", stretch(0.84)), ("foot", stretch(0.5))])
    assert found.judgement == "not yet"
    assert any("Slot foot" in reason for reason in found.reasons)
