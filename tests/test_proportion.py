"""Intervals of shares and averages: the published figures, and that they cover what they should."""

import random  # noqa: TID251 - the same on every run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopledger.evaluation.proportion import bounded_average, weighted_share, wilson


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(hits, count, low, high):
    assert wilson(hits / count, count) == pytest.approx((low, high), abs=5e-5)


@given(st.floats(0, 1), st.floats(0.5, 1e6))
def test_it_holds_the_share_and_stays_within_0_and_1(share, count):
    low, high = wilson(share, count)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    assert low < high


def test_of_nothing_nothing_is_known():
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert bounded_average(3.0, 10, 3.0, 3.0) == (3.0, 3.0)


def test_an_average_between_other_ends_is_scaled():
    low, high = wilson(0.25, 40)
    assert bounded_average(-0.5, 40, -1, 1) == pytest.approx((2 * low - 1, 2 * high - 1))


@given(st.integers(1, 500), st.data())
def test_where_all_weigh_the_same_it_is_wilsons(count, data):
    hits = data.draw(st.integers(0, count))
    weight = 0.25
    found = weighted_share(weight * count, weight**2 * count, weight * hits, weight**2 * hits)
    assert found == pytest.approx(wilson(hits / count, count))


@pytest.mark.parametrize("favour", [0.0, 0.15, -0.15])
@pytest.mark.parametrize("rewarded", [0.05, 0.6])
def test_the_ratio_of_rewards_is_covered(favour, rewarded):
    # Rewards of all sizes; the model may match large ones more, or less, often than small ones.
    draw = random.Random(5)
    missed, rounds, count = 0, 400, 1_000
    sizes = [draw.random() for _ in range(200_000)]
    truth = sum(size * (0.8 + favour * (size - 0.5)) for size in sizes) / sum(sizes)
    for _ in range(rounds):
        rewards = [draw.random() * (draw.random() < rewarded) for _ in range(count)]
        kept = [reward for reward in rewards if draw.random() < 0.8 + favour * (reward - 0.5)]
        low, high = weighted_share(
            sum(rewards), sum(one**2 for one in rewards), sum(kept), sum(one**2 for one in kept)
        )
        missed += not low <= truth <= high
    assert missed / rounds < 0.08
