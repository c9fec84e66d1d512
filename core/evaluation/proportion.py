"""Intervals for shares and bounded averages: no resampling, sound for few and for extreme ones."""

import math

from loopledger.evaluation.report import Bounds

NORMAL = 1.959963984540054
"""The quantile of the normal distribution for 95 %."""


def wilson(share: float, count: float) -> Bounds:
    """Return the 95 % interval of a share of so many.

    Wilson's score interval (E. B. Wilson, Probable inference, the law of succession, and
    statistical inference, JASA 22, 1927): unlike the usual one it is never empty where the share is
    0 or 1, and lies between 0 and 1.

    Args:
        share: From 0 to 1.
        count: Of how many; an effective sample size, where they do not weigh the same, need not be whole.

    """
    if count <= 0:
        return 0.0, 1.0
    spread = NORMAL**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def bounded_average(average: float, count: float, low: float, high: float) -> Bounds:
    """Return the 95 % interval of the average of values that lie between two ends.

    For values that are all at one end or the other it is Wilson's; no others between these ends
    spread as much, so it is on the safe side for them.
    """
    if high <= low:
        return low, high
    share = min(1.0, max(0.0, (average - low) / (high - low)))
    lower, upper = wilson(share, count)
    return low + lower * (high - low), low + upper * (high - low)


def weighted_share(weight: float, weight_squares: float, of_those: float, of_those_squares: float) -> Bounds:
    """Return the 95 % interval of the share of a total weight that some of the cases have.

    The ratio's variance is that of its linearization (W. G. Cochran, Sampling techniques, 3rd ed.,
    1977, section 6.4); the interval is Wilson's for as many cases of equal weight as would give it,
    at most as many as the weights are worth (L. Kish, Survey sampling, 1965): the effective sample
    size of E. L. Korn and B. I. Graubard (Survey Methodology 24, 1998). Where all weigh the same it
    is Wilson's.

    Args:
        weight: Sum of all weights, none negative, not all 0.
        weight_squares: Sum of their squares.
        of_those: Sum of the weights of those that are counted.
        of_those_squares: Sum of their squares.

    """
    share = of_those / weight
    if weight_squares == 0:  # weights so small that their squares are nothing tell nothing
        return 0.0, 1.0
    count = weight**2 / weight_squares
    spread = of_those_squares * (1 - 2 * share) + share**2 * weight_squares
    if spread > 0:
        count = min(count, share * (1 - share) * weight**2 / spread)
    return wilson(share, count)
