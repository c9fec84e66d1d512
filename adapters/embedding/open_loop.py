"""A loop that is open for writing: how its commands get there."""

from collections.abc import Callable
from typing import TypeVar

from loopledger.adapters.embedding.building import Policy, as_policy
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.embedding.view import LoopView
from loopledger.commands import Command
from loopledger.errors import InvalidRequest, LearnerFailed, LoopStopped
from loopledger.facts import Answer
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings

_T = TypeVar("_T")


class OpenLoop(LoopView):
    """A loop that is open here, or is opened when it is needed.

    Args:
        ledger: What it belongs to.
        directory: The loops of that ledger.
        name: The loop's name.

    """

    def __init__(self, ledger: object, directory: Directory, name: str) -> None:
        super().__init__(name, directory.place(name), directory.learner, directory.clock)
        self._ledger = ledger  # which closes when nobody has it any more
        self.directory = directory

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._session().state.settings

    @property
    def policy(self) -> LearningPolicy:
        """The learning policy in force, without the exploration that a setting may write into it."""
        return self._session().state.policy

    def _tried(self, policy: Policy) -> LearningPolicy:
        new = as_policy(policy)
        try:
            self._learner.probe(new.with_exploration(self.settings.exploration_percentage))
        except LearnerFailed as error:
            raise InvalidRequest("policy.arguments", f"are refused: {error}") from None
        return new

    def _session(self) -> Session:
        return self.directory.peek(self.name) or self.directory.get(self.name)

    def _ask(self, command: Command) -> Answer:
        return self._using(lambda session: session.ask(command))

    def _using(self, work: Callable[[Session], _T]) -> _T:
        while True:
            session = self._session()
            try:
                return work(session)
            except LoopStopped:
                if not session.retired:  # else it was closed to make room, and is opened again
                    raise
