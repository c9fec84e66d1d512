"""The actor around a loop: an inbox, batches, and answers.

A batch is everything that waits in the inbox, up to a limit, and becomes one transaction. So one
caller pays one sync, and a thousand callers share one.
"""

import os
from collections.abc import Callable, Sequence
from queue import Queue
from threading import Lock
from typing import NamedTuple, Protocol, cast

import pykka

from loopledger.commands import Command
from loopledger.diagnostics import diagnostics
from loopledger.errors import LoopStopped, Overloaded
from loopledger.facts import Answer
from loopledger.loop import Loop, Prepared
from loopledger.state import State

BATCH = 256
"""The most commands in one transaction."""


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
        gate: Held while a request is put into the inbox, and while the inbox is closed: so that
            none can slip in unseen and wait for an answer for ever.
        closed: Whether requests are refused.
        loop: The loop, once it is open.
        failure: What stopped it, if something did.

    """

    def __init__(self) -> None:
        self.gate = Lock()
        self.closed = False
        self.loop: Loop | None = None
        self.failure: BaseException | None = None


class LoopActor(pykka.ThreadingActor):
    """One loop in one thread. Use it through `Inbox`."""

    use_daemon_thread = True  # what was answered is durable, so a program may end at any time

    def __init__(self, opened: Callable[[], Loop], doorway: Doorway) -> None:
        super().__init__()
        self._open = opened
        self._doorway = doorway
        self._batch: list[Request] = []

    def on_receive(self, message: Request | None) -> None:
        """Take a request into the batch, and carry the batch out when nobody else waits.

        A message of none opens the loop: it is asked, because an error while an actor starts
        would be lost.
        """
        if message is None:
            self._start()
            return
        self._batch.append(message)
        if len(self._batch) >= BATCH or self.actor_inbox.empty():
            self._flush()

    def on_stop(self) -> None:
        """Finish what was begun, then refuse what came too late."""
        doorway = self._doorway
        self._flush()
        with doorway.gate:
            doorway.closed = True
        while not self.actor_inbox.empty():
            envelope = self.actor_inbox.get()
            if isinstance(envelope.message, Request):
                envelope.message.reply.deliver(_stopped(doorway.failure))
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

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        loop = self._doorway.loop
        if not batch or loop is None:
            return
        answers: Sequence[Answer | Exception]
        if self._doorway.failure is None:
            try:
                answers = loop.execute([request.command for request in batch])
            except BaseException as error:  # noqa: BLE001 - anything else would end every actor of the process
                self._doorway.failure = error
                diagnostics(loop=loop.state.loop_id).error("loop stopped", error=repr(error))
                self.stop()
        if self._doorway.failure is not None:
            answers = [_stopped(self._doorway.failure)] * len(batch)
        for request, answer in zip(batch, answers, strict=True):
            request.reply.deliver(answer)


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
        self._waiting = cast("Queue[object]", self._actor.actor_inbox)
        self._actor.ask(None)

    @property
    def state(self) -> State:
        """The loop's state after the last batch; it may be read from any thread."""
        if self._doorway.loop is None:
            raise _stopped(self._doorway.failure)
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
        """How many commands wait, roughly."""
        return self._waiting.qsize()

    def submit(self, command: Command | Prepared, reply: Reply) -> None:
        """Send a command; an answer will be delivered, whatever happens.

        Raises:
            Overloaded: Too many commands wait.
            LoopStopped: The loop was closed or has failed.

        """
        if self._waiting.qsize() >= self._most:
            raise Overloaded(f"{self._most} commands wait already; try again a little later")
        if os.getpid() != self._process:
            raise LoopStopped("this process was forked from the one that opened the loop; open it again")
        with self._doorway.gate:
            if self._doorway.closed:
                raise _stopped(self._doorway.failure)
            try:
                self._actor.tell(Request(command, reply))
            except pykka.ActorDeadError:
                raise _stopped(self._doorway.failure) from None

    def close(self) -> None:
        """Carry out what waits, then close the loop."""
        self._actor.stop(block=True)


def _stopped(failure: BaseException | None) -> LoopStopped:
    error = LoopStopped("the loop is closed" if failure is None else f"the loop has stopped: {failure!r}")
    error.__cause__ = failure
    return error
