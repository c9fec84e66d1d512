"""Answering with a model, in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pylibvw

from loopledger.adapters.scratch import Scratch
from loopledger.adapters.vw.arguments import to_score
from loopledger.adapters.vw.parsed import ParsedActions
from loopledger.errors import LearnerFailed
from loopledger.learning.learner import SlotScores, Taught
from loopledger.policy import LearningPolicy


class VwScorer:
    """A VowpalWabbit model that answers; see `loopledger.learning.learner.Scorer`.

    It uses the binding below `vowpalwabbit.Workspace.predict`, which wraps every action in a
    Python object first and takes about three times as long for the same answer.

    Args:
        policy: Under which the model was made.
        model: Its bytes; none for a blank one.
        what: It has learned.

    Raises:
        LearnerFailed: The bytes are no model for that policy.

    """

    def __init__(self, policy: LearningPolicy, model: bytes | None, what: Taught = "policy") -> None:
        with Scratch() as folder:
            path = None
            if model is not None:
                path = str(folder / "model.vw")
                Path(path).write_bytes(model)
            try:
                self._workspace: Any = pylibvw.vw(to_score(policy, path, what))
            except RuntimeError as error:
                raise LearnerFailed(f"the model cannot be loaded under its policy: {error}") from None
        self._actions = ParsedActions(self._workspace)

    def score(self, context: bytes, actions: Sequence[bytes] = ()) -> list[float]:
        """Return a probability for each of the context's actions, by position."""
        examples, used_up = self._predict(context, actions)
        scores: list[float] = examples[0].get_action_scores()
        self._actions.finish(used_up)
        return scores

    def score_slots(self, context: bytes) -> SlotScores:
        """Return the probabilities for each of the context's slots."""
        examples, used_up = self._predict(context)
        scores: SlotScores = examples[0].get_decision_scores()
        self._actions.finish(used_up)
        return scores

    def close(self) -> None:
        """Free the model."""
        if self._workspace is not None:
            self._actions.forget()
            self._workspace.finish()
            self._workspace = None

    def _predict(self, context: bytes, actions: Sequence[bytes] = ()) -> tuple[list[Any], list[Any]]:
        """Return examples with their answers, and which of them are to be finished."""
        try:
            examples, used_up = self._actions.parse(context, actions)
            try:
                pylibvw.vw.predict_multi(self._workspace, examples)
            except RuntimeError:
                # Who knows what it has left in them.
                self._actions = ParsedActions(self._workspace)
                raise
        except RuntimeError as error:
            raise LearnerFailed(f"the model cannot answer: {error}") from None
        return examples, used_up
