"""Models' answers as probabilities to draw from, for many decisions at once.

What `loopledger.deciding.ranking.usable` and `loopledger.deciding.draw.sample` do to the answer for
one decision is done here to thousands, to the last bit.
"""

import numpy as np

from loopledger.deciding.ranking import usable
from loopledger.evaluation.cases import Floats, Floats32, Whole

_TOLERANCE = 1e-4
_MARGIN = 1e-9  # sums are not added up in the same order here


def starts_of(counts: Whole) -> Whole:
    """Return where each of several stretches of these lengths begins, one after another."""
    return np.cumsum(counts) - counts


def even_for(counts: Whole) -> Floats32:
    """Return the same probability for every action of each decision, one decision after another."""
    return np.repeat((1.0 / counts).astype(np.float32), counts)


def usable_for(answers: Floats32, counts: Whole, minimum: Floats) -> Floats32:
    """Return models' answers as probabilities, the minimum mixed in.

    Args:
        answers: One decision after another, for each a number for each action.
        counts: How many actions each has.
        minimum: The minimum probability of each.

    """
    starts = starts_of(counts)
    wide = answers.astype(np.float64)
    least = np.minimum.reduceat(wide, starts)
    away = np.abs(np.add.reduceat(wide, starts) - 1.0)
    share = np.repeat(1.0 - counts * minimum, counts)
    floors = np.repeat(minimum, counts)
    mixed = (floors + share * wide).astype(np.float32)
    made = np.where(np.repeat(least >= minimum, counts), answers, mixed)
    for row in np.flatnonzero(~((least >= 0.0) & (away <= _TOLERANCE - _MARGIN))):
        begin, count = int(starts[row]), int(counts[row])
        one = usable(answers[begin : begin + count].tolist(), count, float(minimum[row]))
        made[begin : begin + count] = one
    return made


def scaled(probabilities: Floats32, counts: Whole) -> Floats32:
    """Return probabilities scaled to a sum of one, as drawing does it.

    It adds 32-bit floats from the largest to the smallest.
    """
    made = probabilities.copy()
    starts = starts_of(counts)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        places = starts[rows][:, None] + np.arange(count)
        block = probabilities[places]
        totals = np.cumsum(-np.sort(-block, axis=1), axis=1, dtype=np.float32)[:, -1:]
        made[places] = block.astype(np.float64) / totals.astype(np.float64)
    return made
