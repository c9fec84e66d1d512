"""Averages over time: each stretch together with all before it."""

from typing import NamedTuple

from loopledger.evaluation.merging import merged, unknowable
from loopledger.evaluation.proportion import bounded_average
from loopledger.evaluation.report import Bounds, Evaluation, Judged, Sums

_ENOUGH = 100
"""Effective sample size from which on the interval below is worth its name."""


class Reading(NamedTuple):
    """What a policy would have earned until then: the end of a stretch, the average, its interval."""

    at: int
    average: float
    interval: Bounds


def expanding(judged: Judged, evaluation: Evaluation) -> list[list[Reading]]:
    """Return a policy's average reward after each stretch of time, over all cases until then.

    Readings that follow on each other are together; where too little is known there is a gap.

    Self-normalized importance sampling with the variance of its linearization (A. B. Owen, Monte
    Carlo theory, methods and examples, 2013, section 9.2), from the sums of each stretch. The interval
    is Wilson's for as many decisions as have that variance, and at most for the effective sample size:
    where rewards are rare it does not pretend to know more than it does.
    """
    so_far = Sums()
    found: list[list[Reading]] = [[]]
    low, high = evaluation.reward_range
    for point in judged.over_time:
        so_far = merged((so_far, point.sums))
        known = so_far.weight > 0 and not unknowable(so_far)
        if not known or so_far.weight**2 < _ENOUGH * so_far.weight_squares:
            if found[-1]:
                found.append([])
            continue
        average = so_far.weighted_reward / so_far.weight
        spread = (
            so_far.weighted_reward_squares
            - 2 * average * so_far.weight_reward
            + average**2 * so_far.weight_squares
        )
        count = so_far.weight**2 / so_far.weight_squares
        apart = (average - low) * (high - average)
        if spread > 0:
            count = min(count, apart * so_far.weight**2 / spread)
        end = point.at + evaluation.minute_width * 60_000_000
        found[-1].append(Reading(end, average, bounded_average(average, count, low, high)))
    return [run for run in found if run]
