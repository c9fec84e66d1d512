import numpy as np
import pytest
from estimators.bandits import cs
from evaluated import answers, log

from loopledger.evaluation.sequence import Bet
from loopledger.evaluation.tally import Tally


@pytest.mark.parametrize("reward_range", [(0.0, 1.0), (-1.0, 2.0)])
def test_importance_weighted_bet_is_that_of_vw_estimators(reward_range):
    # Weights near 1, under which no prediction passes 1: theirs lets it, and then does not quite hold.
    cases = log(3_000)
    weight = answers(cases, [0.8, 0.05, 0.05, 0.05, 0.05]).probability / cases.propensity
    least, most = reward_range
    theirs = cs.Interval(*reward_range)
    for propensity, reward, w in zip(
        cases.propensity.tolist(), cases.reward.tolist(), weight.tolist(), strict=True
    ):
        theirs.add_example(propensity, reward, w * propensity)
    low, high = Bet(), Bet()
    ones = np.ones(len(weight))
    low.add_running(weight * (cases.reward - least) / (most - least), ones)
    high.add_running(weight * (most - cases.reward) / (most - least), ones)
    ends = low.lower(0.025), 1 - high.lower(0.025)
    ours = [least + end * (most - least) for end in ends]
    assert ours == pytest.approx(theirs.get(0.05), abs=1e-9)


def test_it_is_far_narrower_than_vw_estimators_where_rewards_are_rare():
    cases = log(10_000, clicks=(0.006, 0.012, 0.005, 0.005, 0.005))
    said = answers(cases)
    tally = Tally(minimum_probability=0.04)
    tally.add(cases, said)
    theirs = cs.Interval()
    for row in zip(cases.propensity.tolist(), cases.reward.tolist(), said.probability.tolist(), strict=True):
        theirs.add_example(*row)
    low, high = tally.estimate().anytime
    below, above = theirs.get(0.05)
    assert high - low < (above - below) / 3


def test_a_bet_on_too_much_is_held_to_one():
    bet = Bet()
    bet.add_running(np.array([20.0, 0.0]), np.ones(2))
    assert bet.scatter == (20 - 0.5) ** 2 + 1
