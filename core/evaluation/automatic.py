"""Automatic optimization: when it is, what it looks at, and when what it found is put in force.

The rules are Personalizer's: the last two weeks, or further back where little happened, and a new policy
only if both its average reward and the lower end of its interval are above those of what decided.
"""

from loopledger.clock import SECOND
from loopledger.evaluation.merging import unknowable
from loopledger.evaluation.report import Evaluation, Judged
from loopledger.evaluation.request import EvaluationRequest, Search
from loopledger.learning.replay import first_from
from loopledger.log.journal import Reader
from loopledger.settings import Settings

BUDGET = 300.0
"""Seconds that it takes, about."""

KEPT = 24
"""The last automatic optimizations that are shown; older ones are deleted."""

MUCH = 10_000
"""Decisions within two weeks with which it looks no further back: about Personalizer's 20 megabytes."""

_TWO_WEEKS = 14 * 86_400 * SECOND


def next_optimization(settings: Settings, start: int | None, since: int) -> int:
    """Return when the next one is due, UTC in microseconds since 1970.

    Args:
        settings: In force.
        start: `Settings.auto_optimization_start`, UTC in microseconds since 1970.
        since: When it was turned on, or began last.

    """
    frequency = round(settings.auto_optimization_frequency * SECOND)
    if start is None:
        return since + frequency
    if start > since:
        return start
    return start + ((since - start) // frequency + 1) * frequency


def automatic_request(reader: Reader, now: int, budget: float = BUDGET) -> EvaluationRequest:
    """Return what is searched: the last two weeks, or as far back as there is much.

    Args:
        reader: Of the log.
        now: UTC in microseconds since 1970.
        budget: Seconds that it may take.

    """
    last = reader.head().seq
    first = first_from(reader, now - _TWO_WEEKS)
    inside = reader.counts(first - 1).get("Ranked", 0)
    if inside < MUCH:
        there = reader.counts().get("Ranked", 0)
        begin = reader.nth(("Ranked",), max(1, there - MUCH + 1)) if there else None
        first = min(first, begin.seq) if begin is not None else first
    return EvaluationRequest(first=min(first, last), last=last, warm=True, search=Search(budget=budget))


def is_to_apply(report: Evaluation) -> bool:
    """Return whether the policy that was found is to be put in force by itself."""
    found = _found(report)
    if found is None:
        return False
    online = next(judged.overall for judged in report.policies if judged.name == "Online")
    return (
        found.overall.average_reward > online.average_reward
        and found.overall.interval[0] > online.interval[0]
    )


def is_surely_better(report: Evaluation) -> bool:
    """Return whether the policy that was found earns more than what decided, beyond chance."""
    found = _found(report)
    return found is not None and found.verdict is not None and found.verdict.interval[0] > 0


def _found(report: Evaluation) -> Judged | None:
    """Return the policy that was found, unless too much was decided without exploration to judge it."""
    winner = None if report.searched is None else report.searched.winner
    for judged in report.policies:
        if judged.name == winner and judged.failed is None and not unknowable(judged.overall.sums):
            return judged
    return None
