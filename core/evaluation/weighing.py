"""Weighing: from what was decided and what a policy says to it, to importance weights by decision."""

from typing import Any, NamedTuple

import numpy as np

from loopledger.evaluation.cases import Answers, Cases, Flags, Floats, Whole


class Weighed(NamedTuple):
    """Cases with their importance weights.

    Attributes:
        weight: The policy's probability of what was taken, divided by that with which it was taken;
            multiplied along the slots of a decision (per-decision importance sampling: D. Precup,
            R. S. Sutton, S. Singh, "Eligibility Traces for Off-Policy Policy Evaluation", ICML 2000).
        reward: The joined reward.
        robust: The doubly robust score.
        starts: Where each decision begins among the cases.
        imitated: Whether the case was decided without exploration, though the policy might have
            taken another action.

    """

    weight: Floats
    reward: Floats
    robust: Floats
    starts: Whole
    imitated: Flags

    def by_decision(self, column: Floats | Flags) -> Floats:
        """Return the sums of a column over the cases of each decision."""
        if len(self.starts) == len(column):
            return column.astype(np.float64, copy=False)
        return np.add.reduceat(column.astype(np.float64, copy=False), self.starts)

    def only(self, chosen: Flags) -> "Weighed":
        """Return some of the cases, each now by itself."""
        weight = self.weight[chosen]
        return Weighed(
            weight=weight,
            reward=self.reward[chosen],
            robust=self.robust[chosen],
            starts=np.arange(len(weight)),
            imitated=self.imitated[chosen],
        )

    def slots(self) -> Floats:
        """Return how many cases each decision has."""
        return np.diff(self.starts, append=len(self.weight)).astype(np.float64)


def weigh(cases: Cases, answers: Answers) -> Weighed:
    """Weigh whole decisions, of which there is at least one."""
    places = np.arange(len(cases.seq))
    starts = np.flatnonzero(np.diff(cases.seq, prepend=cases.seq[0] - 1))
    own = answers.probability / cases.propensity
    weight, before = own.copy(), np.ones_like(own)
    place = places - np.repeat(starts, np.diff(starts, append=len(places)))
    for nth in range(1, int(place.max()) + 1):
        here = np.flatnonzero(place == nth)
        before[here] = weight[here - 1]
        weight[here] = own[here] * before[here]
    robust = weight * cases.reward
    if answers.predicted is not None and answers.expected is not None:
        robust = before * answers.expected + weight * (cases.reward - answers.predicted)
    return Weighed(
        weight=weight,
        reward=cases.reward,
        robust=robust,
        starts=starts,
        imitated=~cases.explored & (answers.probability < cases.propensity),
    )


def pick(cases: Cases, chosen: Flags | slice) -> Cases:
    """Return some of the cases."""
    columns: list[Any] = [column[chosen] for column in cases]
    return Cases(*columns)


def pick_answers(answers: Answers, chosen: Flags | slice) -> Answers:
    """Return the answers to some of the cases."""
    columns: list[Any] = [None if column is None else column[chosen] for column in answers]
    return Answers(*columns)


def joined(first: tuple[Cases, Answers], second: tuple[Cases, Answers]) -> tuple[Cases, Answers]:
    """Put two stretches of the log together; where there was no reward model, it now expects 0."""
    cases: list[Any] = [np.concatenate(columns) for columns in zip(first[0], second[0], strict=True)]
    nothing = [np.zeros(len(answers.probability)) for _, answers in (first, second)]
    answers: list[Any] = [
        None
        if all(column is None for column in columns)
        else np.concatenate(
            [zeros if column is None else column for column, zeros in zip(columns, nothing, strict=True)]
        )
        for columns in zip(first[1], second[1], strict=True)
    ]
    return Cases(*cases), Answers(*answers)
