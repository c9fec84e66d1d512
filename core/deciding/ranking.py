"""Ranking: from a model's probabilities to a drawn action.

A pure function of probabilities, minimum probability, uniform number and learning mode, so that
every decision can be computed again (promise P4).
"""

import math
from collections.abc import Sequence

import msgspec

from loopledger.deciding.draw import float32, float32s, sample
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import Scorer
from loopledger.settings import LearningMode

_TOLERANCE = 1e-4


class Ranking(msgspec.Struct, frozen=True, gc=False):
    """Positions of actions, the chosen one first, with the probabilities that they were drawn from."""

    ranked: tuple[int, ...]
    probabilities: tuple[float, ...]


def rank_actions(
    scorer: Scorer | None,
    context: bytes,
    count: int,
    number: float,
    minimum_probability: float,
    mode: LearningMode,
    actions: Sequence[bytes] = (),
) -> Ranking:
    """Choose one of the context's actions.

    Args:
        scorer: The published model; none means that all actions are alike.
        context: As the model sees it.
        count: How many actions it holds.
        number: The uniform number that decides (`loopledger.deciding.draw.uniform`).
        minimum_probability: Mixed in where the model gives an action less.
        mode: Whether the model's choice is acted on, or the first action.
        actions: The context's, apart, where they are known; see `loopledger.learning.learner.Scorer`.

    Raises:
        LearnerFailed: The model does not answer for these actions.

    """
    given = likely(scorer, context, count, minimum_probability, actions)
    order, probabilities = order_by_probability(given)
    chosen, probabilities = sample(probabilities, number)
    if mode == "LoggingOnly":
        return _as_sent(order, probabilities)
    return front(order, probabilities, chosen)


def likely(
    scorer: Scorer | None,
    context: bytes,
    count: int,
    minimum_probability: float,
    actions: Sequence[bytes] = (),
) -> list[float]:
    """Return each action's probability before anything is drawn, in the order of the context.

    The arguments and errors are those of `rank_actions`.
    """
    if scorer is None:
        return even(count)
    return usable(scorer.score(context, actions), count, minimum_probability)


def even(count: int) -> list[float]:
    """Return the same probability for every action."""
    return [float32(1.0 / count)] * count


def usable(probabilities: list[float], count: int, minimum_probability: float) -> list[float]:
    """Return a model's answer as probabilities that can be drawn from.

    Several exploration algorithms answer with something else: `regcbopt` gives 1 to every tied
    action, an untrained `squarecb --elim` gives negative numbers. As in rlclientlib, negatives
    count as zero and the rest is scaled to a sum of one; if nothing is left, all are alike.

    Raises:
        LearnerFailed: There are more or fewer answers than actions.

    """
    if len(probabilities) != count:
        raise LearnerFailed(f"the model answered for {len(probabilities)} actions where there are {count}")
    least = min(probabilities)
    total = sum(probabilities)
    if least < 0.0 or not abs(total - 1.0) <= _TOLERANCE:
        probabilities = [
            probability if probability > 0.0 and math.isfinite(probability) else 0.0
            for probability in probabilities
        ]
        total = sum(probabilities)
        if total == 0.0:
            return even(count)
        probabilities = float32s([probability / total for probability in probabilities])
        least = min(probabilities)
    if least >= minimum_probability:
        return probabilities
    share = 1.0 - count * minimum_probability
    return float32s([minimum_probability + share * probability for probability in probabilities])


def order_by_probability(probabilities: list[float]) -> tuple[list[int], list[float]]:
    """Return positions and probabilities, the most probable first, ties in the caller's order."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    return order, [probabilities[position] for position in order]


def front(order: list[int], probabilities: list[float], chosen: int) -> Ranking:
    """Swap the chosen entry with the first: one swap, as rlclientlib does, not a rotation."""
    if chosen:
        order, probabilities = order.copy(), probabilities.copy()
        order[0], order[chosen] = order[chosen], order[0]
        probabilities[0], probabilities[chosen] = probabilities[chosen], probabilities[0]
    return Ranking(tuple(order), tuple(probabilities))


def _as_sent(order: Sequence[int], probabilities: Sequence[float]) -> Ranking:
    by_position = sorted(zip(order, probabilities, strict=True))
    return Ranking(
        tuple(position for position, _ in by_position), tuple(probability for _, probability in by_position)
    )
