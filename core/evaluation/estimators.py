"""Estimators: what a policy would have earned on average, from sums over what another one decided.

Each takes `Sums` and gives an average reward per case. Where no case was seen, it is 0.
"""

from math import sqrt

from loopledger.evaluation.declared import Declared
from loopledger.evaluation.merging import alike
from loopledger.evaluation.report import Sums

_SAME = 1e-9
_STANDARD_NORMAL = 1.96  # Personalizer's own rounding of the 97.5 % quantile


def ips(sums: Sums) -> float:
    """Inverse propensity scoring: the mean of w·r. Unbiased; it may leave the range of rewards.

    D. G. Horvitz, D. J. Thompson, "A Generalization of Sampling Without Replacement from a Finite
    Universe", JASA 47 (1952). Over several slots, weights multiply along a decision: D. Precup,
    R. S. Sutton, S. Singh, "Eligibility Traces for Off-Policy Policy Evaluation", ICML 2000.
    """
    return sums.weighted_reward / sums.cases if sums.cases else 0.0


def snips(sums: Sums) -> float | None:
    """Self-normalized inverse propensity scoring; None where no case is supported.

    A. Swaminathan, T. Joachims, "The Self-Normalized Estimator for Counterfactual Learning",
    NeurIPS 2015.
    """
    return sums.weighted_reward / sums.weight if sums.weight > 0 else None


def robust(sums: Sums) -> float | None:
    """Doubly robust; None where no reward model was learned.

    A case scores the reward model's expectation plus w times what the model missed by: right if
    either the propensities or the model are, and with exact propensities always.
    M. Dudík, J. Langford, L. Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011. Over several
    slots: N. Jiang, L. Li, "Doubly Robust Off-policy Value Evaluation", ICML 2016, each slot's reward
    being its own.
    """
    return sums.robust / sums.cases if sums.modelled else None


def cressie_read(sums: Sums, declared: Declared) -> float:
    """Return the interval-optimal estimate: the empirical likelihood's in the Cressie-Read(-2) family.

    Karampatziakis, Langford, Mineiro, "Empirical Likelihood for Contextual Bandits", NeurIPS 2020.
    Probability that the weights leave over is given the average of the rewards.
    """
    n = sums.decisions
    if not n:
        return 0.0
    if alike(sums):
        return sums.reward / sums.cases  # what was earned is known, however many slots each decision had
    scale = n / sums.cases
    w, ww = sums.weight * scale, sums.weight_squares * scale**2
    z, wz = sums.weighted_reward * scale, sums.weight_reward * scale**2
    fake = declared.largest_weight(sums) if w < n else 0.0
    mean, square = (fake + w) / (1 + n), (fake**2 + ww) / (1 + n)
    spread = mean**2 - square
    if spread > -_SAME:  # every weight is 1, but for rounding: nothing to balance
        return sums.weighted_reward / sums.weight
    constant, slope = (square - mean) / spread, (1 - mean) / spread
    value = (-constant * z - slope * wz) / (1 + n)
    missing = max(0.0, 1 - (-constant * w - slope * ww) / (1 + n))
    return value + missing * sums.reward / sums.cases


def effective_sample_size(sums: Sums) -> float:
    """Return how many cases of the policy's own the weighted ones are worth: (Σw)² / Σw².

    L. Kish, "Survey Sampling", 1965; A. Kong, "A Note on Importance Sampling", 1992.
    """
    if not sums.weight_squares:
        return 0.0
    if alike(sums):
        return float(sums.cases)
    return sums.weight**2 / sums.weight_squares * sums.cases / sums.decisions


def personalizer_summary(sums: Sums) -> dict[str, float]:
    """Return the figures of Personalizer's `PolicyResultSummary`, under its own names.

    `averageReward` is `ipsEstimatorNumerator` / `ipsEstimatorDenominator`; `confidenceInterval` is half
    the width of a 95 % normal interval from `sumOfSquares`. They are Personalizer's, to be read by its
    clients; what to decide by is the interval of an `Estimate`.
    """
    n = sums.cases
    mean = ips(sums)
    scatter = max(sums.weighted_reward_squares - n * mean**2, 0.0)
    return {
        "ipsEstimatorNumerator": sums.weighted_reward,
        "ipsEstimatorDenominator": float(n),
        "snipsEstimatorDenominator": sums.weight,
        "nonZeroProbability": float(sums.supported),
        "sumOfSquares": sums.weighted_reward_squares,
        "confidenceInterval": _STANDARD_NORMAL * sqrt(scatter / (n - 1) / n) if n > 1 else 0.0,
        "averageReward": mean,
    }
