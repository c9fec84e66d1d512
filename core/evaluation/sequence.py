"""Confidence sequences: intervals that hold at all times at once, however often one looks.

The wealth of a bettor against a supposed mean: where it grows beyond 1/alpha, the mean is ruled out, once
and for all (Ville's inequality). Off-policy: N. Karampatziakis, P. Mineiro, A. Ramdas, "Off-policy
Confidence Sequences", ICML 2021 (arXiv:2102.09540); also where the logging policy itself learns:
I. Waudby-Smith, L. Wu, A. Ramdas, N. Karampatziakis, P. Mineiro, "Anytime-valid off-policy inference for
contextual bandits", 2022 (arXiv:2210.10768). The bet is the gamma-exponential mixture of S. R. Howard,
A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
Annals of Statistics 49 (2021), proposition 9, on an empirical Bernstein bound.

Each end is bet against in two ways, and the better one counts (each at a quarter of the 5 %): by the
importance-weighted reward itself, which needs no range of weights (as in VowpalWabbit/estimators, cs.py),
and by the weighted distance of the reward from what was expected, on the scale of the largest declared
weight, which is far narrower where rewards are rare. Predictions only use decisions that came before, so
that nothing has to be kept but sums.
"""

from math import inf, log

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import gammainc, gammaln

from loopledger.evaluation.cases import Floats
from loopledger.evaluation.report import Bounds
from loopledger.evaluation.weighing import Weighed

ALPHA = 0.05
_BETS = 4
_RHO = 1.0


class Bet:
    """Sums of scores and of their squared distances from predictions.

    Attributes:
        cases: How many.
        total: Of the scores.
        scatter: Of the squared distances.

    """

    def __init__(self) -> None:
        self.cases = 0.0
        self.total = 0.0
        self.scatter = 0.0

    def add(self, scores: Floats, cases: Floats, predicted: Floats) -> None:
        """Add decisions: the sum of each one's scores, how many cases it has, what was predicted."""
        self.cases += float(cases.sum())
        self.total += float(scores.sum())
        self.scatter += float(((scores - predicted) ** 2).sum())

    def add_running(self, scores: Floats, cases: Floats) -> None:
        """Add decisions whose scores are at least 0 and have a mean of at most 1, predicted by their mean.

        The prediction is held to 1, above which the bound would not hold.
        """
        before = self.total + _before(scores)
        running = np.minimum((before + 0.5) / (self.cases + _before(cases) + 1), 1.0)
        self.add(scores, cases, running * cases)

    def lower(self, alpha: float, *, scale: float = 1.0, least: float = 0.0) -> float:
        """Return the lower bound of the mean score per case.

        Args:
            alpha: How probable it may be that the bound is ever too high.
            scale: No score falls below its prediction by more.
            least: The mean is at least this.

        """
        return _lower(self.total / scale, self.cases / scale, self.scatter / scale**2, alpha, least)

    def upper(self, alpha: float, *, scale: float, most: float) -> float:
        """Return the upper bound, for scores that do not rise above their prediction by more than `scale`."""
        return -_lower(-self.total / scale, self.cases / scale, self.scatter / scale**2, alpha, -most)


class ConfidenceSequence:
    """The confidence sequences of a policy's average reward, and of what it is beyond the logged one's.

    Memory does not grow with the cases. Rewards outside of the declared range count as its end.
    """

    def __init__(self, reward_range: Bounds) -> None:
        self._least, self._most = reward_range
        self._slots = 1.0
        self._weight = 0.0
        self._gain = 0.0
        self._low, self._high, self._centred = Bet(), Bet(), Bet()
        self._better, self._worse, self._apart = Bet(), Bet(), Bet()

    def add(self, weighed: Weighed) -> None:
        """Add whole decisions, in log order."""
        share = (weighed.reward.clip(self._least, self._most) - self._least) / (self._most - self._least)
        slots = weighed.slots()
        w = weighed.by_decision(weighed.weight)
        gain = weighed.by_decision(weighed.weight * share)
        plain = weighed.by_decision(share)
        expected = (self._gain + _before(gain) + 0.5) / (self._weight + _before(w) + 1)
        self._slots = max(self._slots, float(slots.max()))
        self._weight += float(w.sum())
        self._gain += float(gain.sum())
        self._low.add_running(gain, slots)
        self._high.add_running(w - gain, slots)
        self._centred.add(gain - (w - slots) * expected, slots, slots * expected)
        self._better.add_running((gain - plain + slots) / 2, slots)
        self._worse.add_running((w - gain - (slots - plain) + slots) / 2, slots)
        self._apart.add(gain - plain - (w - slots) * expected, slots, np.zeros_like(slots))

    def interval(self, largest_weight: float) -> Bounds:
        """Return what holds the average reward at all times, in 95 of 100 logs.

        Args:
            largest_weight: The largest weight there can be, averaged over the slots of a decision.

        """
        alpha, scale, slots = ALPHA / _BETS, self._slots * largest_weight, self._slots
        low = max(self._low.lower(alpha, scale=slots), self._centred.lower(alpha, scale=scale))
        high = min(
            1 - self._high.lower(alpha, scale=slots), self._centred.upper(alpha, scale=scale, most=1.0)
        )
        return self._in_rewards(low, self._least), self._in_rewards(high, self._least)

    def difference(self, largest_weight: float) -> Bounds:
        """Return the same for the average reward beyond that of what decided: that of w·r - r.

        Weights average to 1, so a constant may be taken off the rewards first, which takes chance out.
        """
        alpha, scale, slots = ALPHA / _BETS, self._slots * largest_weight, self._slots
        low = max(
            2 * self._better.lower(alpha, scale=slots) - 1, self._apart.lower(alpha, scale=scale, least=-1.0)
        )
        high = min(
            1 - 2 * self._worse.lower(alpha, scale=slots), self._apart.upper(alpha, scale=scale, most=1.0)
        )
        return self._in_rewards(low, 0.0), self._in_rewards(high, 0.0)

    def _in_rewards(self, share: float, zero: float) -> float:
        return zero + share * (self._most - self._least)


def _before(column: Floats) -> Floats:
    """Return, for each place, the sum of all that come before it."""
    return np.concatenate(((0.0,), np.cumsum(column[:-1])))


def _lower(total: float, cases: float, scatter: float, alpha: float, least: float) -> float:
    if not cases or total <= cases * least:
        return least
    threshold = -log(alpha)

    def beyond(mean: float) -> float:
        return _log_wealth(total - cases * mean, scatter) - threshold

    mean = total / cases
    if beyond(least) <= 0:
        return least
    if beyond(mean) >= 0:
        return mean
    found: float = root_scalar(beyond, method="brentq", bracket=(least, mean), xtol=1e-12, rtol=1e-12).root
    return found


def _log_wealth(s: float, v: float) -> float:
    """Return the logarithm of the gamma-exponential mixture's wealth."""
    a = v + _RHO
    mixed = log(max(gammainc(a, max(s + a, 0.0)), 0.0) or 5e-324) + gammaln(a)
    prior = log(gammainc(_RHO, _RHO)) + gammaln(_RHO)
    return float(s + v + _RHO * log(_RHO) - a * log(s + a) + mixed - prior) if s + a > 0 else -inf
