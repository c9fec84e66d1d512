"""Summing: weighed cases become `Sums`."""

from typing import Any

import numpy as np

from loopledger.evaluation.cases import Answers, Cases, Floats, Whole
from loopledger.evaluation.report import Sums
from loopledger.evaluation.weighing import Weighed


def summed(cases: Cases, answers: Answers, weighed: Weighed, group: Whole, groups: int) -> list[Sums]:
    """Return the sums of each group of decisions.

    Args:
        cases: Whole decisions.
        answers: What the policy says to them.
        weighed: The same, weighed.
        group: To which group each decision belongs, from 0.
        groups: How many groups there are.

    """

    def total(column: Floats) -> list[float]:
        sums: list[float] = np.bincount(group, column, groups).tolist()
        return sums

    def count(column: Floats) -> list[int]:
        return [round(number) for number in total(column)]

    slots = weighed.slots()
    w = weighed.by_decision(weighed.weight)
    r = weighed.by_decision(weighed.reward)
    wr = weighed.by_decision(weighed.weight * weighed.reward)
    score = weighed.by_decision(weighed.robust)
    largest = np.zeros(groups)
    np.maximum.at(largest, group, np.maximum.reduceat(weighed.weight, weighed.starts))
    least = np.ones(groups)
    np.minimum.at(least, group, np.minimum.reduceat(cases.propensity, weighed.starts))
    most = np.zeros(groups)
    np.maximum.at(most, group, slots)
    columns: dict[str, list[Any]] = {
        "cases": count(slots),
        "supported": count(weighed.by_decision(weighed.weight > 0)),
        "reward": total(r),
        "weight": total(w),
        "weight_squares": total(w * w),
        "weighted_reward": total(wr),
        "weighted_reward_squares": total(wr * wr),
        "weight_reward": total(w * wr),
        "robust": total(score),
        "robust_squares": total(score * score),
        "largest_weight": largest.tolist(),
        "decisions": count(np.ones(len(slots))),
        "reward_squares": total(r * r),
        "reward_weight": total(r * w),
        "reward_weighted_reward": total(r * wr),
        "modelled": count(slots) if answers.predicted is not None else [0] * groups,
        "least_propensity": least.tolist(),
        "unexplored": count(weighed.by_decision(~cases.explored)),
        "imitated": count(weighed.by_decision(weighed.imitated)),
        "most_slots": [round(number) for number in most.tolist()],
    }
    rows = zip(*columns.values(), strict=True)
    return [Sums(**dict(zip(columns, row, strict=True))) for row in rows]
