"""What deciding may know beside the state, and what it comes to."""

from typing import Protocol

import msgspec

from loopledger.answers import Decision, Receipt, SlotsDecision
from loopledger.learning.learner import Scorer
from loopledger.learning.training import Step
from loopledger.log.chain import Record
from loopledger.log.event import Event
from loopledger.log.events import Run
from loopledger.log.journal import Reader
from loopledger.settings import Settings

Answer = Decision | SlotsDecision | Receipt | Settings | Step | None


class Facts(Protocol):
    """What deciding needs to know beside the state; reading it changes nothing."""

    @property
    def at(self) -> int:
        """The time that the command's events will have."""
        ...

    @property
    def next_seq(self) -> int:
        """The seq that the command's first event will have."""
        ...

    @property
    def scorer(self) -> Scorer | None:
        """The published model."""
        ...

    def number_for(self, event_id: str) -> float:
        """Return the uniform number that decides a draw: that of event id and loop id."""
        ...

    @property
    def reader(self) -> Reader:
        """The log, as far as it is committed."""
        ...

    def decision(self, event_id: str) -> Record | None:
        """Return the decision of an event id, committed or about to be."""
        ...

    def rewards(self, event_id: str) -> list[Record]:
        """Return the rewards of an event id, committed or about to be."""
        ...


class Decided(msgspec.Struct, frozen=True, gc=False):
    """What a command comes to.

    Attributes:
        events: To be logged, all or none.
        answer: For the caller, once they are.
        event_id: That the events belong to, if any.
        erased: First and last seqs of stretches whose bodies are erased in the same transaction.

    """

    events: tuple[Event, ...]
    answer: Answer
    event_id: str | None = None
    erased: tuple[Run, ...] = ()
