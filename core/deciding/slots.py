"""Multi-slot ranking: one action for each slot, none of them twice.

The learner goes from slot to slot, draws by a seed made of event id and slot id, and leaves out
what it drew. Its probabilities for a slot therefore depend on its own draws before. Where the
draw that counts differs from the learner's (a minimum probability was mixed in, or the caller's
own choice is kept), the slots so far are forced to what was really chosen and the learner is
asked again for the rest.
"""

from collections.abc import Sequence

from loopledger.deciding.context import with_tags
from loopledger.deciding.draw import sample, uniform, uniform_hash
from loopledger.deciding.ranking import Ranking, even, front, order_by_probability, usable
from loopledger.deciding.request import SlotTerms
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import Scorer
from loopledger.settings import LearningMode


def rank_all_slots(
    scorer: Scorer | None,
    context: bytes,
    slots: Sequence[SlotTerms],
    *,
    event_id: str,
    minimum_probability: float,
    mode: LearningMode,
) -> list[Ranking]:
    """Choose an action for each slot.

    Args:
        scorer: The published model; none means that all actions are alike.
        context: As it is logged.
        slots: What each slot is offered, and its baseline.
        event_id: Seeds the draws, together with the slots' ids.
        minimum_probability: Mixed in where the model gives an action less.
        mode: Whether the model's choices are acted on, or the baselines.

    Raises:
        LearnerFailed: The model does not answer for these slots.

    """
    tags = [event_id + slot.id for slot in slots]
    numbers = [uniform(uniform_hash(tag)) for tag in tags]
    rankings: list[Ranking] = []
    chosen: list[int] = []
    while len(rankings) < len(slots):
        scores = None if scorer is None else scorer.score_slots(with_tags(context, tags, chosen))
        if scores is not None and len(scores) != len(slots):
            raise LearnerFailed(f"the model answered for {len(scores)} slots where there are {len(slots)}")
        for index in range(len(rankings), len(slots)):
            left = [position for position in slots[index].offered if position not in chosen]
            if scores is None:
                order, probabilities = left, even(len(left))
                drawn = None
            else:
                order, probabilities = _answer(scores[index], left, numbers[index], minimum_probability)
                drawn = scores[index][0][0]
            pick, probabilities = sample(probabilities, numbers[index])
            if mode == "LoggingOnly":
                pick = _baseline(order, slots[index].baseline)
            ranking = front(order, probabilities, pick)
            rankings.append(ranking)
            chosen.append(ranking.ranked[0])
            if drawn is not None and drawn != ranking.ranked[0]:
                break
    return rankings


def likely_at_slot(
    scorer: Scorer | None, context: bytes, place: int, left: Sequence[int], minimum_probability: float
) -> list[float]:
    """Return each action's probability for one slot before anything is drawn.

    Args:
        scorer: A model; none means that all actions are alike.
        context: As `loopledger.deciding.context.at_slot` makes it.
        place: The slot's, counted from 0.
        left: Positions of the actions that it is offered and no slot before it took; what is
            returned is in their order.
        minimum_probability: Mixed in where the model gives an action less.

    Raises:
        LearnerFailed: The model does not answer for this slot, or for other actions.

    """
    if scorer is None:
        return even(len(left))
    scores = scorer.score_slots(context)
    if len(scores) != place + 1:
        raise LearnerFailed(f"the model answered for {len(scores)} slots where there are {place + 1}")
    by_position = dict(scores[place])
    if sorted(by_position) != sorted(left):
        raise LearnerFailed("the model answered for other actions than the slot was offered")
    return usable([by_position[position] for position in left], len(left), minimum_probability)


def _answer(
    scores: Sequence[tuple[int, float]], left: Sequence[int], number: float, minimum_probability: float
) -> tuple[list[int], list[float]]:
    """Return the learner's ranking of a slot as it was before its own draw, minimum mixed in."""
    if sorted(position for position, _ in scores) != sorted(left):
        raise LearnerFailed("the model answered for other actions than the slot was offered")
    order, probabilities = _before_draw(scores, number)
    return order, usable(probabilities, len(left), minimum_probability)


def _before_draw(scores: Sequence[tuple[int, float]], number: float) -> tuple[list[int], list[float]]:
    """Undo the swap that brought the learner's draw to the front.

    The learner ranks by probability, so the probabilities before the swap are the sorted ones,
    and they and the uniform number say which place was drawn. If the ranking is then not in
    order, the learner ranked otherwise, and ours is used: probability, then position.
    """
    probabilities = sorted((probability for _, probability in scores), reverse=True)
    place, _ = sample(probabilities, number)
    swapped = list(scores)
    swapped[0], swapped[place] = swapped[place], swapped[0]
    if [probability for _, probability in swapped] == probabilities:
        return [position for position, _ in swapped], probabilities
    by_position = dict(scores)
    positions = sorted(by_position)
    order, ordered = order_by_probability([by_position[position] for position in positions])
    return [positions[index] for index in order], ordered


def _baseline(order: Sequence[int], baseline: int) -> int:
    """Return where the baseline stands, or the first place if an earlier slot took it."""
    return order.index(baseline) if baseline in order else 0
