"""How several rewards of one decision become one."""

import math
from collections.abc import Callable, Sequence
from statistics import median

from loopledger.settings import RewardAggregation

_FUNCTIONS: dict[RewardAggregation, Callable[[Sequence[float]], float]] = {
    "earliest": lambda values: values[0],
    "sum": math.fsum,
    "average": lambda values: math.fsum(values) / len(values),
    "median": median,
    "min": min,
    "max": max,
}


def aggregate(values: Sequence[float], how: RewardAggregation, default: float) -> float:
    """Return one reward from several.

    Args:
        values: The joined rewards in order of time, then of the log.
        how: The aggregation. `max` is the largest value, negative ones too; Personalizer's
            started from the smallest positive number and so returned the default for those.
        default: The reward when there are no values.

    """
    return _FUNCTIONS[how](values) if values else default
