"""The verdict: better, worse, not enough data, or no answer at all."""

from math import ceil, floor, log10
from typing import NamedTuple

from loopledger.evaluation.declared import Declared
from loopledger.evaluation.estimators import cressie_read, effective_sample_size
from loopledger.evaluation.intervals import deviation, difference_interval
from loopledger.evaluation.merging import alike, unknowable
from loopledger.evaluation.report import Bounds, Judgement, Sums, Verdict

FEWEST_CASES = 100
"""With fewer, nothing is called better or worse."""

FEWEST_EFFECTIVE = 50
"""An effective sample size below it, and below a twentieth of the cases, gives no answer."""

_SHARE_EFFECTIVE = 0.05
_DEVIATIONS = 5.0
_MISSING = 0.05
_MOST_NEEDED = 10_000
_EVEN = 1e-9


class _Difference(NamedTuple):
    name: str
    cases: int
    value: float
    interval: Bounds


def judge(name: str, sums: Sums, declared: Declared, anytime: Bounds) -> Verdict:
    """Judge a policy against what decided, both on the same cases.

    Args:
        name: What the policy is called.
        sums: Over all cases.
        declared: The ranges that intervals are computed for.
        anytime: The confidence sequence of the difference.

    """
    online = sums.reward / sums.cases if sums.cases else 0.0
    found = _Difference(
        name=name,
        cases=sums.cases,
        value=cressie_read(sums, declared) - online,
        interval=difference_interval(sums, declared),
    )
    judgement, says, needed = _judged(found, sums)
    return Verdict(
        judgement=judgement,
        says=says,
        difference=found.value,
        interval=found.interval,
        anytime=anytime,
        cases_needed=needed,
    )


def refusal(sums: Sums) -> str | None:
    """Return why no answer can be given about a policy from these cases, however many there were."""
    if not sums.cases:
        return None
    if not sums.supported:
        return (
            f"In none of {sums.cases:,} cases would it have had any chance to take the action that was "
            "taken: nothing is known of what it would do. Let it explore, or judge it after it has decided."
        )
    if unknowable(sums):
        return (
            f"{sums.imitated:,} of {sums.cases:,} cases were decided without exploration, and it might have "
            "decided otherwise: what that earns is unknown. Judge it over a range in which it was Online."
        )
    effective = effective_sample_size(sums)
    if effective < min(FEWEST_EFFECTIVE, _SHARE_EFFECTIVE * sums.cases):
        return (
            f"What it would do was so rarely done that {sums.cases:,} cases are worth no more than "
            f"{effective:,.0f} of its own (one alone weighs {sums.largest_weight:,.0f}). "
            "Let the loop explore more evenly, or judge a policy closer to the one that decided."
        )
    missing = 1 - sums.weight / sums.cases
    if missing > _MISSING and deviation(sums) < -_DEVIATIONS:
        return (
            f"It would take actions that were never taken in about {missing:.0%} of {sums.cases:,} cases: "
            "what they earn is unknown. Explore every action with some probability."
        )
    return None


def _judged(found: _Difference, sums: Sums) -> tuple[Judgement, str, int | None]:
    name, (low, high) = found.name, found.interval
    if sums.cases and alike(sums):
        return "itself", f"{name} decides exactly as was decided: there is no difference.", None
    reason = refusal(sums)
    if reason is not None:
        return "no answer", f"{name} cannot be judged from this log. {reason}", None
    if sums.cases >= FEWEST_CASES and low > _EVEN:
        return "better", f"{name} would have earned {_between(low, high)} more per case than Online.", None
    if sums.cases >= FEWEST_CASES and high < -_EVEN:
        return "worse", f"{name} would have earned {_between(-high, -low)} less per case than Online.", None
    needed = _needed(found)
    more = (
        f"About {needed:,} cases would tell, if the difference is as it seems."
        if needed
        else "If there is a difference, it is too small to be told with any sensible number of cases."
    )
    if not found.cases:
        more = "There are no cases in this range."
    return (
        "not enough data",
        f"{name} may earn more or less than Online: between {low:+.4g} and {high:+.4g} per case. {more}",
        needed,
    )


def _between(low: float, high: float) -> str:
    return f"between {low:.4g} and {high:.4g}"


def _needed(found: _Difference) -> int | None:
    """Scale the cases until the end of the interval on zero's side just leaves zero out."""
    reach = found.value - found.interval[0] if found.value > 0 else found.interval[1] - found.value
    if abs(found.value) < _EVEN or reach <= 0:
        return None
    times = (reach / abs(found.value)) ** 2
    if times > _MOST_NEEDED:
        return None
    needed = max(found.cases * max(times, 1.0) * 1.1, FEWEST_CASES)
    digits: int = 10 ** max(floor(log10(needed)) - 1, 0)
    return ceil(needed / digits) * digits
