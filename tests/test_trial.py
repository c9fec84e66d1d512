"""Trials: when one is given up, and by what policies are chosen."""

import pytest

from loopledger.evaluation.declared import Declared
from loopledger.evaluation.report import Sums
from loopledger.evaluation.trial import cautious, falls_behind

OTHERS = [(0.1, 0.2), (0.2, 0.2), (0.3,), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7)]
WITHIN = Declared(0.05, (-1.0, 1.0))


def test_who_is_behind_half_of_the_others_is_given_up():
    assert falls_behind(0.34, OTHERS, 0)
    assert not falls_behind(0.36, OTHERS, 0)
    assert falls_behind(0.4, OTHERS, 1)
    assert not falls_behind(0.0, OTHERS, 2)
    assert not falls_behind(0.0, OTHERS[:4], 0)


def counted(weights, rewards):
    pairs = list(zip(weights, rewards, strict=True))
    return Sums(
        cases=len(pairs),
        decisions=len(pairs),
        supported=len(pairs),
        reward=sum(rewards),
        weight=sum(weights),
        weight_squares=sum(w * w for w in weights),
        weighted_reward=sum(w * r for w, r in pairs),
        weighted_reward_squares=sum((w * r) ** 2 for w, r in pairs),
        weight_reward=sum(w * w * r for w, r in pairs),
    )


def test_of_equal_estimates_the_surer_one_is_preferred():
    even = counted([1.0] * 100, [1.0, 0.0] * 50)
    uneven = counted([2.0, 2.0, 0.0, 0.0] * 25, [1.0, 0.0] * 50)
    assert cautious(even, WITHIN) == pytest.approx(0.5 - 0.05)
    assert cautious(uneven, WITHIN) == pytest.approx(0.5 - 0.05 * 2**0.5)


def test_without_support_it_is_the_least_reward():
    assert cautious(Sums(), WITHIN) == -1.0
    assert cautious(counted([0.0] * 50, [1.0] * 50), WITHIN) == -1.0
    assert cautious(counted([100.0] + [0.01] * 99, [1.0] * 100), WITHIN) == -1.0
