"""A loop that is open: its actor, its trainer, and its next automatic training."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from loopledger.actor import Inbox, Letter
from loopledger.adapters.embedding.automatic import AutomaticOptimization
from loopledger.adapters.embedding.building import EventIds
from loopledger.adapters.embedding.chores import Chores
from loopledger.adapters.embedding.replies import BlockingReply
from loopledger.adapters.place import Place
from loopledger.clock import SECOND, Clock, SimulatedClock
from loopledger.commands import Command
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopledgerError, LoopStopped
from loopledger.evaluation.evaluator import Evaluator
from loopledger.facts import Answer
from loopledger.learning.learner import Learner
from loopledger.learning.trainer import Trainer
from loopledger.learning.training import Progress
from loopledger.log.eraser import Eraser, Erasure
from loopledger.log.erasing import Mark
from loopledger.log.journal import Reader
from loopledger.loop import Loop, Prepared
from loopledger.settings import Limits
from loopledger.state import State


class Session:
    """A loop that is open in this process.

    Args:
        name: The loop's name.
        place: Where it is kept.
        learner: The learning engine.
        clock: Tells the time, and when to train.
        chores: Does the automatic training.
        searches: Does the automatic optimization.
        most_waiting: How many commands may wait.

    Raises:
        LoopledgerError: The loop cannot be opened.

    Attributes:
        replaced: Whether it was closed to make room for others.
        begun_at: The last event's seq when it was opened.
        last_failure: Why the last automatic training failed, if it did.
        failures: How many automatic trainings failed.

    """

    def __init__(
        self,
        name: str,
        place: Place,
        learner: Learner,
        clock: Clock,
        chores: Chores,
        searches: Chores,
        most_waiting: int,
    ) -> None:
        self.name = name
        self.place = place
        self.learner = learner
        self.replaced = False
        self.ids = EventIds(clock)
        self.clock = clock
        self._chores = chores
        self.inbox = Inbox(lambda: Loop(place.store, learner, clock, place.checkpoints), most_waiting)
        self.trainer = Trainer(place.store, learner, place.checkpoints, self.ask)
        self.eraser = Eraser(place.store, learner, place.checkpoints, self.ask, self.trainer.turn)
        self.evaluator = Evaluator(self.ask, lambda: self.state)
        self.automatic = AutomaticOptimization(
            place, learner, clock, searches, self.evaluator, self.ask, lambda: self.state, self.train
        )
        self.begun_at = self.state.seq
        self.last_failure: str | None = None
        self.failures = 0
        self._timer_guard = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self._closed = False
        try:
            self.evaluator.give_up()
        except BaseException:
            self.inbox.close()
            raise
        waited = clock.now() - self.state.trained_at
        self.schedule(already_waited=max(0.0, waited / SECOND))
        self.automatic.schedule()

    @property
    def state(self) -> State:
        """The loop's state after its last batch."""
        return self.inbox.state

    @property
    def retired(self) -> bool:
        """Whether the loop may just be opened again: nothing is wrong with it."""
        return self.replaced or self.inbox.interrupted

    @property
    def busy(self) -> bool:
        """Whether commands wait, or something is under way that closing would undo."""
        return self.inbox.waiting > 0 or self.trainer.busy or self.evaluator.busy

    @property
    def limits(self) -> Limits:
        """How much a request may hold."""
        return self.inbox.state.settings.limits

    def ask(self, command: Command | Prepared) -> Answer:
        """Send a command and wait for its answer."""
        answers = self.inbox.ask_at_once([command])
        if answers is None:
            reply = BlockingReply()
            self.inbox.submit(Letter([command], reply))
            return reply.wait()
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    def train(self, progress: Progress | None = None) -> list[int]:
        """Train now, as `Trainer.train` says."""
        return self.trainer.train(lambda: self.state.settings.checkpoint_interval, progress)

    def erase(
        self,
        marks: Callable[[Reader], Iterator[Mark]],
        progress: Progress | None = None,
        *,
        force: bool = False,
    ) -> Erasure:
        """Erase what is marked, as `Eraser.erase` says."""
        # Of a loop that stopped while it erased, the write-ahead log may still hold what is erased.
        self.inbox.check()
        return self.eraser.erase(marks, lambda: self.state, progress, force=force)

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

    def rest(self) -> None:
        """Begin no more automatic training; that one is interrupted now is no failure."""
        with self._timer_guard:
            self._closed = True
            if self._cancel is not None:
                self._cancel()
                self._cancel = None
        self.automatic.close()

    def close(self) -> None:
        """Carry out what waits, then close the loop."""
        self.rest()
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
        except Exception as error:  # noqa: BLE001 - whatever it was, the next training may do better
            if self._closed:
                return
            self.failures += 1
            self.last_failure = str(error) if isinstance(error, LoopledgerError) else repr(error)
            diagnostics(loop=self.name).warning("automatic training failed", error=self.last_failure)
