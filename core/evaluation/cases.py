"""Cases: what was decided and came of it, and what another policy says to it, as columns.

A case is one joined decision or, of a multi-slot decision, one of its slots. Columns are numpy
arrays of equal length, in log order, a few thousand cases at a time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Cases(NamedTuple):
    """What was decided, and what came of it.

    Attributes:
        seq: The decision's place in the log; the slots of one decision have the same.
        at: When it was decided, UTC in microseconds since 1970.
        slot: The slot's place in its decision, from 0; 0 where there are no slots.
        offered: How many actions there were: in later slots, how many were left.
        position: Of the action that was taken, in the context.
        baseline: Of the caller's own choice: the first offered action, or the slot's baseline.
        propensity: With what probability the action was taken: 1 where the caller's own choice is
            always taken (Apprentice and LoggingOnly).
        reward: The joined reward.
        explored: Whether the action was drawn from the model's probabilities (Online).

    """

    seq: Whole
    at: Whole
    slot: Whole
    offered: Whole
    position: Whole
    baseline: Whole
    propensity: Floats
    reward: Floats
    explored: Flags


class Answers(NamedTuple):
    """What a policy says to some cases.

    Attributes:
        probability: Its probability of the action that was taken, after the minimum probability in
            force was mixed in; in later slots given that the slots before got what they got.
        predicted: The reward model's reward of the action that was taken; none without such a model.
        expected: The reward model's reward of all actions, averaged with the policy's probabilities.

    """

    probability: Floats
    predicted: Floats | None = None
    expected: Floats | None = None
