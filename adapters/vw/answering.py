"""Answering many contexts with one model, in a worker process."""

from array import array
from collections.abc import Iterable

from loopledger.deciding.context import with_tags
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import ManyScores, Scorer


def answer(scorer: Scorer, lines: Iterable[bytes]) -> ManyScores:
    """Return a model's answers to contexts, a line each.

    The engine's own driver could do this too (``--predictions``), and takes as long in all; but it
    rounds what it writes to six digits after the point.
    """
    counts, probabilities = array("i"), array("f")
    for line in lines:
        scores = scorer.score(line)
        counts.append(len(scores))
        probabilities.extend(scores)
    return ManyScores(len(counts), counts, probabilities, array("i"))


def answer_slots(scorer: Scorer, lines: Iterable[bytes]) -> ManyScores:
    """Return a model's answers to multi-slot contexts, each slot given what the ones before it got.

    Args:
        scorer: The model.
        lines: The positions that the slots got, joined by commas, and the context.

    """
    counts, probabilities, positions = array("i"), array("f"), array("i")
    contexts = 0
    for contexts, line in enumerate(lines, start=1):  # noqa: B007 - counted
        got, _, context = line.partition(b" ")
        taken = [int(position) for position in got.split(b",")]
        for scores in _given(scorer, context, taken):
            # The largest first, as they stood before the engine's own draw was swapped to the front.
            ordered = sorted(scores, key=lambda one: (-one[1], one[0]))
            counts.append(len(ordered))
            positions.extend([position for position, _ in ordered])
            probabilities.extend([probability for _, probability in ordered])
    return ManyScores(contexts, counts, probabilities, positions)


def _given(scorer: Scorer, context: bytes, taken: list[int]) -> list[list[tuple[int, float]]]:
    """Return the answer for each slot.

    The engine draws as it goes, and leaves what it drew out of later slots. Its answers therefore
    hold up to the first slot for which it drew another action than the slot got; from there on it is
    asked again. With the seed of an empty tag it draws its most probable action.
    """
    tags = [""] * len(taken)
    given: list[list[tuple[int, float]]] = []
    while len(given) < len(taken):
        scores = scorer.score_slots(with_tags(context, tags, taken[: len(given)]))
        if len(scores) != len(taken):
            raise LearnerFailed(f"the model answered for {len(scores)} slots where there are {len(taken)}")
        for slot in range(len(given), len(taken)):
            given.append(scores[slot])
            if scores[slot][0][0] != taken[slot]:
                break
    return given
