"""Outcomes: what came of trying learning policies, and how a search stands. Numpy is not needed for it."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from loopledger.evaluation.report import Bounds, Tried


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of trying a learning policy.

    Attributes:
        number: Of the trial, from 0.
        arguments: The policy's, without exploration that a setting writes in.
        ended: judged to the end; stopped before, because others did better; or failed.
        score: What it is chosen by (`loopledger.evaluation.trial.cautious`), of as much as was judged.
        rungs: The score at each of `loopledger.evaluation.trial.RUNGS` that was reached.
        average_reward: The interval-optimal estimate, of as much as was judged.
        interval: Its 95 % interval.
        reason: Why it failed.

    """

    number: int
    arguments: str
    ended: Literal["judged", "stopped", "failed"]
    score: float = 0.0
    rungs: tuple[float, ...] = ()
    average_reward: float = 0.0
    interval: Bounds = (0.0, 0.0)
    reason: str | None = None


class SearchStanding(NamedTuple):
    """How a search for a better learning policy stands.

    Attributes:
        trials: How many policies were tried, those of earlier runs included.
        stopped: How many of them were given up before the end.
        failed: How many failed.
        best: The best so far, if one was judged to the end; it looks better than it is.

    """

    trials: int
    stopped: int
    failed: int
    best: Tried | None


SearchProgress = Callable[[SearchStanding], None]
"""Is told from time to time how a search stands."""


def best(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the policy with the best score, the earliest of them."""
    judged = [outcome for outcome in outcomes if outcome.ended == "judged"]
    return max(judged, key=lambda outcome: (outcome.score, -outcome.number), default=None)


def standing(outcomes: Sequence[Outcome]) -> SearchStanding:
    """Return how a search stands."""
    ended = [outcome.ended for outcome in outcomes]
    found = best(outcomes)
    return SearchStanding(
        len(outcomes), ended.count("stopped"), ended.count("failed"), None if found is None else tried(found)
    )


def tried(outcome: Outcome) -> Tried:
    """Return an outcome as reports show it."""
    return Tried(
        arguments=outcome.arguments, average_reward=outcome.average_reward, interval=outcome.interval
    )
