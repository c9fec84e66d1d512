"""A loop that is open: its actor, its trainer, and its next automatic training."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from loopledger.actor import Inbox, Request
from loopledger.adapters.embedding.building import (
    EventIds,
    rank_command,
    rank_slots_command,
    ranked_command,
)
from loopledger.adapters.embedding.chores import Chores
from loopledger.adapters.embedding.replies import BlockingReply
from loopledger.adapters.place import Place
from loopledger.clock import SECOND, Clock, SimulatedClock
from loopledger.commands import Command, Rank, RankSlots
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopledgerError, LoopStopped
from loopledger.facts import Answer
from loopledger.learner import Learner
from loopledger.loop import Loop, Prepared
from loopledger.rank_json import read_rank
from loopledger.request import Actions, Features, Slots, check_actions
from loopledger.state import State
from loopledger.trainer import Trainer


class Session:
    """A loop that is open in this process.

    Args:
        name: The loop's name.
        place: Where it is kept.
        learner: The learning engine.
        clock: Tells the time, and when to train.
        chores: Does the automatic training.
        most_waiting: How many commands may wait.

    Raises:
        LoopledgerError: The loop cannot be opened.

    Attributes:
        retired: Whether it was closed to make room for others, and may be opened again.
        last_failure: Why the last automatic training failed, if it did.

    """

    def __init__(
        self,
        name: str,
        place: Place,
        learner: Learner,
        clock: Clock,
        chores: Chores,
        most_waiting: int,
    ) -> None:
        self.name = name
        self.place = place
        self.learner = learner
        self.retired = False
        self._ids = EventIds()
        self.clock = clock
        self._chores = chores
        self.inbox = Inbox(lambda: Loop(place.store, learner, clock, place.checkpoints), most_waiting)
        self.trainer = Trainer(place.store, learner, place.checkpoints, self.ask)
        self.last_failure: str | None = None
        self._timer_guard = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self._closed = False
        overdue = clock.now() - self.state.trained_at
        self.schedule(already_waited=max(0.0, overdue / SECOND))

    @property
    def state(self) -> State:
        """The loop's state after its last batch."""
        return self.inbox.state

    def rank_command(
        self,
        context: Features,
        actions: Actions,
        *,
        event_id: str | None,
        excluded: Iterable[str],
        deferred: bool,
    ) -> Rank:
        """Return the command for a Rank; see `Loop.rank`."""
        return rank_command(
            self.state.settings.limits,
            context,
            actions,
            event_id=self._ids.next(self.clock.now()) if event_id is None else event_id,
            named=event_id is not None,
            excluded=excluded,
            deferred=deferred,
        )

    def json_command(self, request: bytes | str) -> Rank:
        """Return the command for a Rank that comes as JSON; see `Loop.rank_json`."""
        read = read_rank(request)
        ids = tuple([action.id for action in read.actions])
        features = [action.features for action in read.actions]
        return ranked_command(
            self.state.settings.limits,
            read.context_features,
            check_actions(ids, self.state.settings.limits),
            features,
            event_id=self._ids.next(self.clock.now()) if read.event_id is None else read.event_id,
            named=read.event_id is not None,
            excluded=read.excluded_actions or (),
            deferred=bool(read.defer_activation),
        )

    def rank_slots_command(
        self, context: Features, actions: Actions, slots: Slots, *, event_id: str | None, deferred: bool
    ) -> RankSlots:
        """Return the command for a multi-slot Rank; see `Loop.rank_slots`."""
        return rank_slots_command(
            self.state.settings.limits,
            context,
            actions,
            slots,
            event_id=self._ids.next(self.clock.now()) if event_id is None else event_id,
            named=event_id is not None,
            deferred=deferred,
        )

    def ask(self, command: Command | Prepared) -> Answer:
        """Send a command and wait for its answer."""
        reply = BlockingReply()
        self.inbox.submit([Request(command, reply)])
        return reply.wait()

    def train(self) -> list[int]:
        """Train now, as `Trainer.train` says."""
        return self.trainer.train(lambda: self.state.settings.checkpoint_interval)

    def schedule(self, already_waited: float = 0.0) -> None:
        """Set the time of the next automatic training anew.

        Args:
            already_waited: Seconds since the last training, if the loop was closed in between.

        """
        with self._timer_guard:
            if self._cancel is not None:
                self._cancel()
                self._cancel = None
            frequency = self.state.settings.model_update_frequency
            if not self._closed and frequency > 0:
                self._cancel = self.clock.call_later(max(0.0, frequency - already_waited), self._due)

    def close(self) -> None:
        """Carry out what waits, then close the loop."""
        with self._timer_guard:
            self._closed = True
            if self._cancel is not None:
                self._cancel()
                self._cancel = None
        self.inbox.close()

    def _due(self) -> None:
        if isinstance(self.clock, SimulatedClock):
            # In a simulation time stands still until the training is over.
            self._train_and_again()
        else:
            self._chores.submit(self._train_and_again)

    def _train_and_again(self) -> None:
        self._train_by_itself()
        with suppress(LoopStopped):
            self.schedule()

    def _train_by_itself(self) -> None:
        try:
            self.train()
            self.last_failure = None
        except LoopStopped:
            return
        except LoopledgerError as error:
            self.last_failure = str(error)
            diagnostics(loop=self.name).warning("automatic training failed", error=str(error))
