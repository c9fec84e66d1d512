"""Trials: a learning policy tried on a part of the log, and given up where others did better."""

from collections.abc import Callable, Sequence
from math import sqrt
from statistics import median
from typing import Literal

import msgspec
import numpy as np

from loopledger.errors import LearnerFailed
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.estimators import cressie_read, effective_sample_size
from loopledger.evaluation.intervals import interval
from loopledger.evaluation.judging import judge
from loopledger.evaluation.material import Material
from loopledger.evaluation.merging import merged
from loopledger.evaluation.outcome import Outcome
from loopledger.evaluation.report import Sums
from loopledger.evaluation.schedule import Schedule
from loopledger.evaluation.summing import summed
from loopledger.evaluation.weighing import weigh
from loopledger.learning.learner import Learner
from loopledger.policy import LearningPolicy

RUNGS = (1 / 8, 1 / 4, 1 / 2)
"""The shares of the decisions after which a trial may be given up."""

FEWEST_FINISHED = 5
"""So many others must have come as far before one is given up."""

FEWEST_EFFECTIVE = 10
"""With a smaller effective sample size there is no telling what a policy earns."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What all trials of a search have in common.

    Attributes:
        material: The part of the log.
        plan: When policies learn.
        learner: Learns and answers.
        declared: The ranges that intervals are computed for.
        exploration: The share that a setting writes into every policy's ``--epsilon``, if one does.
        enough: Whether there is no more time.

    """

    material: Material
    plan: Schedule
    learner: Learner
    declared: Declared
    exploration: float | None
    enough: Callable[[], bool]


def try_policy(
    bench: Bench, number: int, policy: LearningPolicy, others: Sequence[Outcome]
) -> Outcome | None:
    """Judge a policy as it would have learned and decided; None if time ran out before the end.

    A policy that the engine refuses, or that kills its workers, is one that failed.

    Args:
        bench: What it is tried on.
        number: Of the trial.
        policy: The policy.
        others: What came of those before it, to which it is compared at each rung.

    """
    sums, rungs = Sums(), list[float]()
    in_force = policy.with_exploration(bench.exploration)
    marks = [share * bench.material.decisions for share in RUNGS]

    def outcome(ended: Literal["judged", "stopped", "failed"], reason: str | None = None) -> Outcome:
        return Outcome(
            number=number,
            arguments=policy.arguments,
            ended=ended,
            score=cautious(sums, bench.declared),
            rungs=tuple(rungs),
            average_reward=cressie_read(sums, bench.declared),
            interval=interval(sums, bench.declared) if sums.cases else (0.0, 0.0),
            reason=reason,
        )

    try:
        for cases, answers in judge(bench.material, bench.plan, bench.learner, in_force):
            if bench.enough():
                return None
            group = np.zeros(len(np.unique(cases.seq)), np.int64)
            sums = merged((sums, *summed(cases, answers, weigh(cases, answers), group, 1)))
            while len(rungs) < len(marks) and sums.decisions >= marks[len(rungs)]:
                rungs.append(cautious(sums, bench.declared))
                if falls_behind(rungs[-1], [other.rungs for other in others], len(rungs) - 1):
                    return outcome("stopped")
    except LearnerFailed as error:
        return outcome("failed", str(error))
    return outcome("judged")


def cautious(sums: Sums, declared: Declared) -> float:
    """Return the self-normalized estimate less its standard error: what policies are chosen by.

    Of policies that seem to earn the same, it prefers the one of which the log tells more: A.
    Swaminathan, T. Joachims, "Batch Learning from Logged Bandit Feedback through Counterfactual Risk
    Minimization", JMLR 16 (2015). It may go as low as the least reward, which is what it is without
    any support.
    """
    least = declared.reward_range[0]
    if effective_sample_size(sums) < FEWEST_EFFECTIVE:
        return least
    value = sums.weighted_reward / sums.weight
    scatter = sums.weighted_reward_squares - 2 * value * sums.weight_reward + value**2 * sums.weight_squares
    return max(least, value - sqrt(max(scatter, 0.0)) / sums.weight)


def falls_behind(value: float, others: Sequence[Sequence[float]], rung: int) -> bool:
    """Return whether a trial is worse at a rung than half of those that came as far.

    The median stopping rule: D. Golovin et al., "Google Vizier: A Service for Black-Box
    Optimization", KDD 2017.
    """
    reached = [rungs[rung] for rungs in others if len(rungs) > rung]
    return len(reached) >= FEWEST_FINISHED and value < median(reached)
