"""What a model can be asked about a decision after it was made: a question for each choice in it.

A decision for one action is one question. A slot of a multi-slot decision is asked what it was
asked then: without the actions that the slots before it really got. So the answers of two models
to one slot are about the same actions, even where the models would have filled earlier slots
differently; asked all at once, each would be judged by what its own draws had left over.
"""

from collections.abc import Iterator, Sequence

import msgspec

from loopledger.commands import Rank, RankSlots
from loopledger.deciding.context import at_slot
from loopledger.deciding.ranking import likely
from loopledger.deciding.slots import likely_at_slot
from loopledger.learning.learner import Scorer
from loopledger.log.events import Ranked, SlotsRanked


class Question(msgspec.Struct, frozen=True):
    """One choice that is put before a model.

    Attributes:
        slot: The slot that it is for, if there are any.
        place: That slot's place, counted from 0.
        context: As the model is asked, and as `loopledger.learning.learner.Learner.explain` takes it.
        positions: Of the actions that can be chosen, in the order of every answer.
        actions: Their ids.

    """

    slot: str | None
    place: int
    context: bytes
    positions: Sequence[int]
    actions: tuple[str, ...]

    def answer(self, scorer: Scorer | None, minimum_probability: float) -> list[float]:
        """Return each action's probability; no scorer means that all are alike.

        Raises:
            LearnerFailed: The model does not answer for these actions.

        """
        if self.slot is None:
            return likely(scorer, self.context, len(self.actions), minimum_probability)
        return likely_at_slot(scorer, self.context, self.place, self.positions, minimum_probability)


def questions(decision: Ranked | SlotsRanked) -> Iterator[Question]:
    """Yield what the model was asked in a decision, slot by slot."""
    if isinstance(decision, Ranked):
        yield _single(bytes(decision.context), decision.offered)
        return
    taken: list[int] = []
    for slot in decision.slots:
        left = sorted(slot.ranked)
        yield _of_slot(slot.slot, bytes(decision.context), taken, left, decision.actions)
        taken.append(slot.ranked[0])


def favourite(scorer: Scorer | None, command: Rank | RankSlots, place: int = 0) -> str:
    """Return the action that a model finds the most probable for a request; of equals, the first.

    Args:
        scorer: The model; none means that all actions are alike.
        command: The request.
        place: Of the slot, counted from 0. Every slot before it takes its own most probable action,
            as it would if nothing were explored.

    Raises:
        LearnerFailed: The model does not answer for these actions.

    """
    if isinstance(command, Rank):
        offered = tuple(name for name in command.actions if name not in command.excluded)
        return offered[_most_probable(_single(command.context, offered), scorer)]
    taken: list[int] = []
    for slot in command.slots[: place + 1]:
        left = [position for position in slot.offered if position not in taken]
        question = _of_slot(slot.id, command.context, taken, left, command.actions)
        taken.append(left[_most_probable(question, scorer)])
    return command.actions[taken[place]]


def _most_probable(question: Question, scorer: Scorer | None) -> int:
    answer = question.answer(scorer, 0.0)
    return answer.index(max(answer))


def _single(context: bytes, offered: tuple[str, ...]) -> Question:
    return Question(None, 0, context, range(len(offered)), offered)


def _of_slot(
    slot: str, context: bytes, taken: Sequence[int], left: Sequence[int], actions: Sequence[str]
) -> Question:
    names = tuple(actions[position] for position in left)
    return Question(slot, len(taken), at_slot(context, taken), left, names)
