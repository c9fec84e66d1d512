"""Cautions: when not to trust a figure, in sentences for a product owner, with the way out."""

from collections.abc import Iterator, Sequence
from math import ceil

from scipy.special import chdtrc

from loopledger.evaluation.declared import Declared
from loopledger.evaluation.estimators import effective_sample_size
from loopledger.evaluation.intervals import deviation
from loopledger.evaluation.merging import alike, merged
from loopledger.evaluation.report import Caution, Point, Sums
from loopledger.evaluation.verdict import FEWEST_CASES, FEWEST_EFFECTIVE

FEWEST_UNUSUAL = 50
"""With fewer rewards that are unlike the others, an average is mostly chance."""

_LOW_SHARE = 0.05
_ENOUGH_EFFECTIVE = 1_000
_HEAVY = 0.2
_DEVIATIONS = 3.3
_MISSING = 0.02
_SURE = 0.001
_STRETCHES = 20
_SMALLEST = 0.002
_ROUNDING = 1e-9
_FEWEST_IN_STRETCH = 200


def about_range(sums: Sums, fixed: Sequence[Point], declared: Declared) -> tuple[Caution, ...]:
    """Return what there is to say about the whole range, whatever the policy.

    Args:
        sums: Over all cases of any policy.
        fixed: What was counted over time of a policy that does not learn, Random or Baseline: if its
            average changes, the world has, and not what was learned.
        declared: What intervals are computed for.

    """
    return (*_few(sums, declared), *_modes(sums), *_small(sums, declared), *_changing(fixed))


def about_policy(
    sums: Sums, *, learned_inside: int = 0, chosen_among: int = 0, outside_range: bool = False
) -> tuple[Caution, ...]:
    """Return what there is to say about one policy's figures.

    Args:
        sums: Over all cases.
        learned_inside: From how many decisions of this very range a fixed model version learned.
        chosen_among: Among how many candidates the policy was chosen for its figures in this range;
            0 if it was not.
        outside_range: Whether rewards were seen outside of the declared range.

    """
    return (*_weights(sums), *_imitated(sums), *_seen(learned_inside, chosen_among), *_outside(outside_range))


def _few(sums: Sums, declared: Declared) -> Iterator[Caution]:
    if sums.cases < FEWEST_CASES:
        yield Caution(
            "few-cases",
            f"There are {sums.cases:,} cases, and below {FEWEST_CASES:,} no policy is called better or "
            "worse. Choose a longer range.",
        )
        return
    mean = sums.reward / sums.decisions
    scatter = max(sums.reward_squares - sums.decisions * mean**2, 0.0)
    least, most = declared.reward_range
    unusual = scatter / (most - least) ** 2
    if scatter <= _ROUNDING * sums.reward_squares:
        yield Caution(
            "same-rewards",
            f"All {sums.cases:,} cases have the same reward: there is nothing to tell policies apart by. "
            "Check that rewards arrive within the reward wait time.",
        )
    elif unusual < FEWEST_UNUSUAL:
        yield Caution(
            "few-rewards",
            f"Nearly all of {sums.cases:,} cases have the same reward, and only about {ceil(unusual):,} "
            f"another one; below {FEWEST_UNUSUAL} an average is mostly chance. Choose a longer range.",
        )


def _modes(sums: Sums) -> Iterator[Caution]:
    if not sums.unexplored:
        return
    if sums.unexplored == sums.cases:
        yield Caution(
            "no-exploration",
            f"All {sums.cases:,} cases were decided without exploration (Apprentice or LoggingOnly): only "
            "what the baseline earns is known, what others would earn is not. Go Online to find out.",
        )
    else:
        yield Caution(
            "modes-mixed",
            f"{sums.unexplored:,} of {sums.cases:,} cases were decided without exploration (Apprentice or "
            "LoggingOnly), the others Online. Judge policies over a range in which the loop was Online.",
        )


def _small(sums: Sums, declared: Declared) -> Iterator[Caution]:
    least = declared.minimum_probability
    if sums.least_propensity < least * (1 - 1e-6):
        yield Caution(
            "small-propensities",
            f"An action was taken with a probability of {sums.least_propensity:.3g}, less than the "
            f"{least:.3g} that intervals are computed for: they are wider, and may still be too narrow. "
            "Set a minimum probability for the loop.",
        )
    elif least < _SMALLEST:
        yield Caution(
            "small-propensities",
            f"An action may be taken with a probability of only {least:.3g}, so that one case may count as "
            f"{1 / least:,.0f}: intervals are wide. Explore more, or offer fewer actions.",
        )


def _changing(points: Sequence[Point]) -> Iterator[Caution]:
    """Test whether the average is the same over time: Cochran's Q over stretches with enough cases.

    W. G. Cochran, "The comparison of percentages in matched samples", Biometrika 37 (1950); for means
    of any scale as in "The Combination of Estimates from Different Experiments", Biometrics 10 (1954).
    """
    stretches = _even(points)
    if len(stretches) < 2:  # noqa: PLR2004 - nothing to compare
        return
    total = merged(stretches)
    overall = total.weighted_reward / total.weight if total.weight else 0.0
    means = [part.weighted_reward / part.weight if part.weight else overall for part in stretches]
    scatter = (
        total.weighted_reward_squares - 2 * overall * total.weight_reward + overall**2 * total.weight_squares
    ) / total.decisions
    if scatter <= 0:
        return
    parts = zip(stretches, means, strict=True)
    distance = sum((mean - overall) ** 2 * part.weight**2 / part.decisions / scatter for part, mean in parts)
    probability = float(chdtrc(len(stretches) - 1, distance))
    if probability < _SURE:
        yield Caution(
            "changing-reward",
            f"What a policy that never learns earns is not the same over the range: between {min(means):.4g} "
            f"and {max(means):.4g} per case in {len(stretches)} stretches, which is chance in fewer than "
            "1 of 1,000 logs. An average of the past may not hold for the future: look at the curve over "
            "time, and choose a range that is like what is to come.",
        )


def _even(points: Sequence[Point]) -> list[Sums]:
    """Put points together to stretches of about the same number of cases, enough in each."""
    each = max(_FEWEST_IN_STRETCH, ceil(sum(point.sums.cases for point in points) / _STRETCHES))
    stretches: list[Sums] = []
    current = Sums()
    for point in points:
        current = merged((current, point.sums))
        if current.cases >= each:
            stretches.append(current)
            current = Sums()
    if current.cases and stretches:
        stretches[-1] = merged((stretches[-1], current))
    return stretches


def _weights(sums: Sums) -> Iterator[Caution]:
    if not sums.cases or alike(sums):
        return
    effective = effective_sample_size(sums)
    if effective < max(FEWEST_EFFECTIVE, min(_ENOUGH_EFFECTIVE, _LOW_SHARE * sums.cases)):
        yield Caution(
            "low-effective-sample-size",
            f"It decides so differently that {sums.cases:,} cases are worth {effective:,.0f} of its own. "
            "Trust the interval, not the average; choose a longer range, or explore more.",
        )
    if sums.weight and sums.largest_weight > _HEAVY * sums.weight:
        yield Caution(
            "one-case-decides",
            f"A single case makes {sums.largest_weight / sums.weight:.0%} of its estimate. "
            "Choose a longer range, or explore more.",
        )
    missing = 1 - sums.weight / sums.cases
    if not sums.supported or (missing > _MISSING and deviation(sums) < -_DEVIATIONS):
        yield Caution(
            "missing-support",
            f"In about {missing:.0%} of {sums.cases:,} cases it would do what was never tried, of which "
            "nothing is known. Explore every action with some probability, or choose a range in which that "
            "was so.",
        )


def _imitated(sums: Sums) -> Iterator[Caution]:
    if sums.imitated:
        yield Caution(
            "imitated",
            f"In {sums.imitated:,} of {sums.cases:,} cases the caller's own choice was taken, come what may, "
            "and this policy might have taken another: what that earns is unknown, only how often the two "
            "agree. Go Online to find out.",
        )


def _seen(learned_inside: int, chosen_among: int) -> Iterator[Caution]:
    if learned_inside:
        yield Caution(
            "seen-test-data",
            f"It learned from {learned_inside:,} decisions of the very range over which it is judged, and "
            "knows the answers: its figures are too good. Judge it over a range that begins after it was "
            "trained.",
        )
    if chosen_among:
        yield Caution(
            "chosen-on-test-data",
            f"It was chosen among {chosen_among:,} candidates for its figures in this very range, and the "
            "best of many looks better than it is. Judge it over a range that the search has not seen.",
        )


def _outside(outside_range: bool) -> Iterator[Caution]:
    if outside_range:
        yield Caution(
            "rewards-outside-range",
            "Rewards were seen outside of the declared range: intervals are widened to them, the confidence "
            "sequence counts them as its end. Declare the range that rewards can have.",
        )
