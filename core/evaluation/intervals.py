"""Intervals for one look: 95 % of them hold the true value, if one looks once.

Empirical likelihood in the Cressie-Read(-2) family, which is one closed form over sums: N. Karampatziakis,
J. Langford, P. Mineiro, "Empirical Likelihood for Contextual Bandits", NeurIPS 2020 (arXiv:1906.03323);
the authors' own implementation is VowpalWabbit/estimators, against which this one is tested.

Among all distributions near the observed one, under which weights average to 1 as true ones do, it takes
the least and the most value. One observation more is put in, the worst that the declared ranges allow:
so it also covers what was never seen.
"""

from functools import lru_cache
from math import sqrt
from typing import NamedTuple

from scipy.special import fdtri

from loopledger.evaluation.declared import Declared
from loopledger.evaluation.merging import alike, unknowable
from loopledger.evaluation.report import Bounds, Sums

CONFIDENCE = 0.95
_SMALL = 1e-9
_SAME = 1e-12


class Moments(NamedTuple):
    """Sums over observations of weights w, which average to 1, and of scores z, whose mean is sought."""

    n: float
    w: float
    ww: float
    z: float
    wz: float
    zz: float


Observation = tuple[float, float]
"""A weight and a score."""


def interval(sums: Sums, declared: Declared) -> Bounds:
    """Return the 95 % interval of the policy's average reward: all rewards, where it cannot be known."""
    least, most = declared.reward_range
    if unknowable(sums):
        return declared.reward_range
    moments = _moments_of_value(sums)
    weights = _weights(sums, declared)
    lowest, highest = ([(w, w * r) for w in weights] for r in (least, most))
    return _between((least, most), moments, lowest, highest)


def difference_interval(sums: Sums, declared: Declared) -> Bounds:
    """Return the 95 % interval of the policy's average reward beyond that of what decided.

    The two are compared case by case on one log: the score of a case is w·r - r. That is what makes
    it narrower than two intervals laid side by side.
    """
    least, most = declared.reward_range
    if unknowable(sums):
        return declared.difference_range
    moments = _moments_of_difference(sums)
    weights = _weights(sums, declared)
    lowest = [(w, (w - 1) * (most if w < 1 else least)) for w in weights]
    highest = [(w, (w - 1) * (least if w < 1 else most)) for w in weights]
    return _between(declared.difference_range, moments, lowest, highest)


def deviation(sums: Sums) -> float:
    """Return by how many standard errors the weights' mean misses 1, which it must be near."""
    n = sums.decisions
    if n <= 1:
        return 0.0
    scale = sums.cases / n
    mean = sums.weight / n / scale
    variance = max(sums.weight_squares / n / scale**2 - mean**2, 0.0)
    return 0.0 if abs(mean - 1) < _SAME else (mean - 1) / sqrt(max(variance, _SAME) / n)


def _moments_of_value(sums: Sums) -> Moments:
    """Scores are w·r. A decision's sums are divided by its slots: the average is one per case."""
    scale = sums.decisions / sums.cases if sums.cases else 1.0
    return Moments(
        n=sums.decisions,
        w=sums.weight * scale,
        ww=sums.weight_squares * scale**2,
        z=sums.weighted_reward * scale,
        wz=sums.weight_reward * scale**2,
        zz=sums.weighted_reward_squares * scale**2,
    )


def _moments_of_difference(sums: Sums) -> Moments:
    scale = sums.decisions / sums.cases if sums.cases else 1.0
    squares = sums.weighted_reward_squares - 2 * sums.reward_weighted_reward + sums.reward_squares
    return _moments_of_value(sums)._replace(
        z=(sums.weighted_reward - sums.reward) * scale,
        wz=(sums.weight_reward - sums.reward_weight) * scale**2,
        zz=squares * scale**2,
    )


def _weights(sums: Sums, declared: Declared) -> Bounds:
    """Return the least and the largest weight; both 1 for a policy that decides as was decided."""
    return (1.0, 1.0) if alike(sums) else (0.0, declared.largest_weight(sums))


def _between(
    limits: Bounds, moments: Moments, lowest: list[Observation], highest: list[Observation]
) -> Bounds:
    least, most = limits
    if not moments.n:
        return limits
    allowed = _allowed(moments, [w for w, _ in lowest])
    mirrored = moments._replace(z=-moments.z, wz=-moments.wz)
    lower = [_lower(moments, allowed, (w, z)) for w, z in lowest]
    upper = [_lower(mirrored, allowed, (w, -z)) for w, z in highest]
    low = min((end for end in lower if end is not None), default=least)
    high = -min((end for end in upper if end is not None), default=-most)
    return min(max(low, least), most), max(min(high, most), least)


def _allowed(moments: Moments, weights: list[float]) -> float:
    """Return how far from the observed distribution the others may be: by an F quantile."""
    n, w, ww = moments.n, moments.w, moments.ww
    fake = max(weights) if w < n else min(weights)
    mean, square = (fake + w) / (1 + n), (fake**2 + ww) / (1 + n)
    spread = square - mean**2
    nearest = (1 + n) * (mean - 1) ** 2 / spread if spread > _SAME else 0.0
    return (-nearest - _quantile(n)) / (2 * (1 + n))


@lru_cache(8192)
def _quantile(n: float) -> float:
    """Return the quantile of F(1, n): the same for all policies that are judged on the same cases."""
    return float(fdtri(1, n, CONFIDENCE))


def _lower(moments: Moments, allowed: float, extreme: Observation) -> float | None:
    """Return the least mean score with one observation more, or None if no distribution is allowed."""
    fake_w, fake_z = extreme
    count = 1 + moments.n
    w = (fake_w + moments.w) / count
    ww = (fake_w**2 + moments.ww) / count
    z = (fake_z + moments.z) / count
    wz = (fake_w * fake_z + moments.wz) / count
    zz = (fake_z**2 + moments.zz) / count
    spread = ww - w**2
    if spread > _SAME:
        slope = (wz - w * z) / spread
        centre = z + (1 - w) * slope
        scatter = (wz - w * z) * slope - (zz - z**2)
        room = allowed + (1 - w) ** 2 / spread / 2
    else:  # every weight is 1: nothing to balance
        centre, scatter, room = z, -(zz - z**2), allowed
    reach = scatter * room
    if abs(reach) < _SMALL**2:
        return centre - sqrt(2) * _SMALL
    if room <= 0 <= reach:
        return centre - sqrt(2 * reach)
    return None
