"""A stretch of Apprentice decisions: Personalizer's counts, and what follows from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.evaluation.proportion import wilson
from loopledger.evaluation.stretch import Case, Counting


def case(matched, reward, seq=1, likeliest=0.85):
    return Case(seq, seq * 1_000, matched, reward, likeliest)


def test_personalizers_counts_and_what_follows_from_them():
    cases = [case(True, 1.0, 3), case(False, 1.0, 5), case(True, 0.0, 7), case(True, 0.5, 9, 0.45)]
    found = Counting(cases).stretch()
    assert (found.number_of_events, found.number_of_matched_events) == (4, 3)
    assert (found.sum_of_rewards, found.sum_of_imitated_rewards) == (2.5, 1.5)
    assert (found.first, found.last, found.since, found.until) == (3, 9, 3_000, 9_000)
    assert (found.baseline_average_reward, found.imitated_average_reward) == (0.625, 0.375)
    assert (found.match_rate, found.achievement_ratio) == (0.75, 0.6)
    assert found.match_interval == wilson(0.75, 4)
    assert found.plateau == pytest.approx(0.75)


def test_nothing_is_no_stretch():
    assert Counting().stretch() is None


def test_no_ratio_without_rewards_and_no_interval_with_negative_ones():
    assert Counting([case(True, 0.0)]).stretch().achievement_ratio is None
    found = Counting([case(True, 1.0), case(False, -0.5)]).stretch()
    assert found.achievement_ratio == 2.0
    assert found.achievement_interval is None
    assert Counting([case(True, 1.0), case(False, -2.0)]).stretch().achievement_ratio is None


def test_intervals_of_averages_allow_for_the_rewards_that_were_seen():
    low, high = Counting([case(True, -1.0), case(True, 3.0)]).stretch().baseline_interval
    assert -1 <= low < 1 < high <= 3


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50))
def test_the_model_keeps_no_more_than_there_was(cases):
    found = Counting([case(*one) for one in cases]).stretch()
    assert 0 <= found.sum_of_imitated_rewards <= found.sum_of_rewards + 1e-9
    for value, interval in (
        (found.baseline_average_reward, found.baseline_interval),
        (found.imitated_average_reward, found.imitated_interval),
        (found.match_rate, found.match_interval),
        (found.achievement_ratio, found.achievement_interval),
    ):
        if interval is not None:
            assert interval[0] - 1e-9 <= value <= interval[1] + 1e-9
