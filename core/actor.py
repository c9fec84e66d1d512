"""The actor around a loop: an inbox, batches, and answers.

What waits in the inbox becomes batches, and a batch one transaction: one caller pays one sync, a
thousand callers share one.
"""

import os
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any, NamedTuple, Protocol, cast

import pykka

from loopledger.commands import Command
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopStopped, Overloaded
from loopledger.facts import Answer
from loopledger.loop import Loop, Prepared
from loopledger.state import State

BATCH = 128
"""The most commands in one transaction: enough to share a sync, few enough that callers who were
answered prepare their next requests while the others' are being written."""


class Reply(Protocol):
    """Where an answer goes; called in the actor's thread, once."""

    def deliver(self, answer: Answer | Exception) -> None:
        """Hand over an answer or an error."""
        ...


class Request(NamedTuple):
    """A command and where its answer goes."""

    command: Command | Prepared
    reply: Reply


class Doorway:
    """What an actor and the threads that talk to it share.

    Attributes:
        gate: Held while requests are put into the inbox, and while the inbox is closed: so that
            none can slip in unseen and wait for an answer for ever.
        waiting: How many requests are in the inbox.
        closed: Whether requests are refused.
        loop: The loop, once it is open.
        failure: What stopped it, if something did.

    """

    def __init__(self) -> None:
        self.gate = Lock()
        self.waiting = 0
        self.closed = False
        self.loop: Loop | None = None
        self.failure: BaseException | None = None

    def stopped(self) -> LoopStopped:
        """Return the error for whoever comes too late."""
        what = "the loop is closed" if self.failure is None else f"the loop has stopped: {self.failure!r}"
        error = LoopStopped(what)
        error.__cause__ = self.failure
        return error


class LoopActor(pykka.ThreadingActor):
    """One loop in one thread. Use it through `Inbox`."""

    use_daemon_thread = True  # what was answered is durable, so a program may end at any time

    def __init__(self, opened: Callable[[], Loop], doorway: Doorway) -> None:
        super().__init__()
        self._open = opened
        self._doorway = doorway
        self._waiting: list[Request] = []

    @staticmethod
    def _create_actor_inbox() -> Any:
        # A queue in C: the default one's locks, in Python, cost more than the rest of a message.
        inbox: SimpleQueue[Any] = SimpleQueue()
        return inbox

    def on_receive(self, message: list[Request] | None) -> None:
        """Take requests, and carry them out when nobody else waits.

        A message of none opens the loop: it is asked, because an error while an actor starts
        would be lost.
        """
        if message is None:
            self._start()
            return
        with self._doorway.gate:
            self._doorway.waiting -= len(message)
        self._waiting += message
        if len(self._waiting) >= BATCH or self.actor_inbox.empty():
            self._carry_out()

    def on_stop(self) -> None:
        """Finish what was begun, then refuse what came too late."""
        doorway = self._doorway
        self._carry_out()
        with doorway.gate:
            doorway.closed = True
        while not self.actor_inbox.empty():
            envelope = self.actor_inbox.get()
            if isinstance(envelope.message, list):
                for request in cast("list[Request]", envelope.message):
                    request.reply.deliver(doorway.stopped())
            elif envelope.reply_to is not None:
                envelope.reply_to.set(None)  # somebody else who wants it stopped
        if doorway.loop is not None:
            doorway.loop.close()

    def _start(self) -> None:
        try:
            self._doorway.loop = self._open()
        except BaseException:
            self.stop()
            raise

    def _carry_out(self) -> None:
        requests, self._waiting = self._waiting, []
        for first in range(0, len(requests), BATCH):
            self._answer(requests[first : first + BATCH])

    def _answer(self, requests: list[Request]) -> None:
        """Carry out a batch, and answer once it is durable."""
        doorway = self._doorway
        answers: Sequence[Answer | Exception] = ()
        if doorway.failure is None and doorway.loop is not None:
            try:
                answers = doorway.loop.execute([request.command for request in requests])
            except BaseException as error:  # noqa: BLE001 - anything else would end every actor of the process
                self._fail(doorway.loop, error)
        if doorway.failure is not None:
            answers = [doorway.stopped()] * len(requests)
        for request, answer in zip(requests, answers, strict=True):
            request.reply.deliver(answer)

    def _fail(self, loop: Loop, error: BaseException) -> None:
        """Keep the first cause, let nobody in any more, and end: what is on disk now, the next opening finds out."""
        self._doorway.failure = error
        diagnostics(loop=loop.state.loop_id).error("loop stopped", error=repr(error))
        with self._doorway.gate:
            self._doorway.closed = True
        if not self.actor_stopped.is_set():
            self.stop()


class Inbox:
    """The way to a loop's actor: bounded, and never silent.

    Args:
        opened: Opens the loop, in the actor's thread.
        most: How many commands may wait.

    Raises:
        LoopledgerError: The loop could not be opened.

    """

    def __init__(self, opened: Callable[[], Loop], most: int) -> None:
        self._most = most
        self._process = os.getpid()
        self._doorway = Doorway()
        self._actor = LoopActor.start(opened, self._doorway)
        self._actor.ask(None)

    @property
    def state(self) -> State:
        """The loop's state after the last batch; it may be read from any thread."""
        if self._doorway.loop is None:
            raise self._doorway.stopped()
        return self._doorway.loop.state

    @property
    def alive(self) -> bool:
        """Whether commands are still taken."""
        return not self._doorway.closed and self._doorway.failure is None

    @property
    def failure(self) -> BaseException | None:
        """What stopped the loop, if something did."""
        return self._doorway.failure

    @property
    def waiting(self) -> int:
        """How many commands wait in the inbox."""
        return self._doorway.waiting

    def submit(self, requests: list[Request]) -> None:
        """Send commands; an answer to each will be delivered, whatever happens.

        Raises:
            Overloaded: Too many commands wait.
            LoopStopped: The loop was closed or has failed.

        """
        if os.getpid() != self._process:
            raise LoopStopped("this process was forked from the one that opened the loop; open it again")
        with self._doorway.gate:
            if self._doorway.closed:
                raise self._doorway.stopped()
            if self._doorway.waiting >= self._most:
                raise Overloaded(f"{self._most} commands wait already; try again a little later")
            try:
                self._actor.tell(requests)
            except pykka.ActorDeadError:
                raise self._doorway.stopped() from None
            self._doorway.waiting += len(requests)

    def close(self) -> None:
        """Carry out what waits, then close the loop."""
        self._actor.stop(block=True)
