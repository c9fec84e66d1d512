"""A policy that decides and learns in one place, without a log: what a loop would do, and quicker."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import pylibvw

from loopledger.adapters.vw.arguments import to_score
from loopledger.adapters.vw.learner import VwLearner
from loopledger.deciding.draw import number_for
from loopledger.deciding.ranking import Ranking, rank_actions
from loopledger.deciding.request import SlotTerms
from loopledger.deciding.slots import rank_all_slots
from loopledger.learning.learner import SlotScores
from loopledger.policy import LearningPolicy

_LABEL = '{"_label_cost":%r,"_label_probability":%r,"_label_Action":%d,"_labelIndex":%d,'
_hasher = VwLearner()


class Lesson(NamedTuple):
    """What is learned from one decision: what was drawn for each slot or the only one, and the reward."""

    context: bytes
    rankings: Sequence[Ranking]
    rewards: Sequence[float]


class Pupil:
    """Probabilities, draws and labels are the loop's own; weights are those that fold steps give.

    Args:
        policy: Under which it decides and learns.
        minimum_probability: Mixed in where the model gives an action less.
        seed: Of the draws.

    """

    def __init__(self, policy: LearningPolicy, minimum_probability: float = 0.0, seed: int = 0) -> None:
        self._workspace: Any = pylibvw.vw(to_score(policy, None))
        self._minimum_probability = minimum_probability
        self._seed = _hasher.hash_id(f"loop-{seed}")

    def decide(self, context: bytes, actions: int, slots: Sequence[SlotTerms], number: int) -> list[Ranking]:
        """Return the ranking of each slot, or the only one."""
        event_id = f"event-{number}"
        least = self._minimum_probability
        if slots:
            return rank_all_slots(
                self, context, slots, event_id=event_id, minimum_probability=least, mode="Online"
            )
        draw = number_for(_hasher.hash_id, self._seed, event_id)
        return [rank_actions(self, context, actions, draw, least, "Online")]

    def score(self, context: bytes, actions: Sequence[bytes] = ()) -> list[float]:  # noqa: ARG002 - a scorer's
        """Return a probability for each of the context's actions."""
        examples = self._predicted(context)
        scores: list[float] = examples[0].get_action_scores()
        pylibvw.vw._finish_example_multi_ex(self._workspace, examples)
        return scores

    def score_slots(self, context: bytes) -> SlotScores:
        """Return the probabilities for each of the context's slots."""
        examples = self._predicted(context)
        scores: SlotScores = examples[0].get_decision_scores()
        pylibvw.vw._finish_example_multi_ex(self._workspace, examples)
        return scores

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Take the rewards of what was chosen."""
        for lesson in lessons:
            examples = self._workspace._parse(_labelled(lesson))
            pylibvw.vw.learn_multi(self._workspace, examples)
            pylibvw.vw._finish_example_multi_ex(self._workspace, examples)

    def close(self) -> None:
        """Free the model."""
        self._workspace.finish()

    def _predicted(self, context: bytes) -> list[Any]:
        examples: list[Any] = self._workspace._parse(context.decode())
        pylibvw.vw.predict_multi(self._workspace, examples)
        return examples


def _labelled(lesson: Lesson) -> str:
    if b'"_slots":' not in lesson.context:
        (ranking,), (reward,) = lesson.rankings, lesson.rewards
        chosen = ranking.ranked[0]
        label = _LABEL % (-reward, ranking.probabilities[0], chosen + 1, chosen)
        return label + lesson.context[1:].decode()
    whole: dict[str, Any] = msgspec.json.decode(lesson.context)
    for slot, ranking, reward in zip(whole["_slots"], lesson.rankings, lesson.rewards, strict=True):
        slot |= {"_label_cost": -reward, "_a": ranking.ranked, "_p": ranking.probabilities}
    return msgspec.json.encode(whole).decode()
