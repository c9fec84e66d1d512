"""Averages over time: each stretch together with all before it."""

import math
from typing import Any, NamedTuple

from loopledger.evaluation.report import Bounds, Evaluation, Judged, Sums

_NORMAL = 1.959963984540054
_ENOUGH = 100
"""Effective sample size from which on the interval below is worth its name."""


class Reading(NamedTuple):
    """What a policy would have earned until then: the end of a stretch, the average, its interval."""

    at: int
    average: float
    interval: Bounds


def expanding(judged: Judged, evaluation: Evaluation) -> list[Reading]:
    """Return a policy's average reward after each stretch of time, over all cases until then.

    Self-normalized importance sampling with the interval of its linearization (A. B. Owen, Monte
    Carlo theory, methods and examples, 2013, section 9.2), from the sums of each stretch, and none
    where too little is known for that interval.
    """
    so_far = Sums()
    found: list[Reading] = []
    low, high = evaluation.reward_range
    for point in judged.over_time:
        so_far = _together(so_far, point.sums)
        if so_far.weight <= 0 or so_far.weight**2 < _ENOUGH * so_far.weight_squares:
            continue
        average = so_far.weighted_reward / so_far.weight
        spread = (
            so_far.weighted_reward_squares
            - 2 * average * so_far.weight_reward
            + average**2 * so_far.weight_squares
        )
        half = _NORMAL * math.sqrt(max(0.0, spread)) / so_far.weight
        end = point.at + evaluation.minute_width * 60_000_000
        bounds = max(low, average - half), min(high, average + half)
        found.append(Reading(end, average, bounds))
    return found


def _together(one: Sums, other: Sums) -> Sums:
    added: dict[str, Any] = {
        name: getattr(one, name) + getattr(other, name) for name in Sums.__struct_fields__
    }
    added["largest_weight"] = max(one.largest_weight, other.largest_weight)
    return Sums(**added)
