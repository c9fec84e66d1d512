"""The actor around a loop: an inbox, batches, and answers.

What waits in the inbox becomes batches, and a batch one transaction: one caller pays one sync, a
thousand callers share one.
"""

import os
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock
from typing import Any, Protocol

import msgspec
import pykka

from loopledger.commands import Command
from loopledger.desk import Desk
from loopledger.errors import LoopStopped, Overloaded
from loopledger.facts import Answer
from loopledger.loop import Loop, Prepared
from loopledger.state import State

BATCH = 128
"""The most commands in one transaction: enough to share a sync, few enough that callers who were
answered prepare their next requests while the others' are being written."""


class Reply(Protocol):
    """Where the answers to a letter go; called in the actor's thread, once."""

    def deliver(self, answers: Sequence[Answer | Exception]) -> None:
        """Hand over an answer or an error for each command."""
        ...


class Letter(msgspec.Struct, frozen=True, gc=False):
    """Commands that were sent together, and where the answers go."""

    commands: list[Command | Prepared]
    reply: Reply

    def refuse(self, error: Exception) -> None:
        """Answer all of it with an error."""
        self.reply.deliver([error] * len(self.commands))


class LoopActor(pykka.ThreadingActor):
    """One loop in one thread. Use it through `Inbox`."""

    use_daemon_thread = True  # what was answered is durable, so a program may end at any time

    def __init__(self, opened: Callable[[], Loop], desk: Desk) -> None:
        super().__init__()
        self._open = opened
        self._desk = desk
        self._letters: list[Letter] = []
        self._commands = 0

    @staticmethod
    def _create_actor_inbox() -> Any:
        # A queue in C: the default one's locks, in Python, cost more than the rest of a message.
        inbox: SimpleQueue[Any] = SimpleQueue()
        return inbox

    def on_receive(self, message: Letter | None) -> None:
        """Take a letter, and carry out what was taken when nobody else waits or it is enough.

        A message of none opens the loop: it is asked, because an error while an actor starts
        would be lost.
        """
        if message is None:
            self._start()
            return
        self._letters.append(message)
        self._commands += len(message.commands)
        if self._commands >= BATCH or self.actor_inbox.empty():
            self._carry_out()

    def on_stop(self) -> None:
        """Finish what was begun, then refuse what came too late."""
        self._carry_out()
        desk = self._desk
        with desk.gate:
            desk.closed = True
        while not self.actor_inbox.empty():
            envelope = self.actor_inbox.get()
            if isinstance(envelope.message, Letter):
                envelope.message.refuse(desk.stopped())
            elif envelope.reply_to is not None:
                envelope.reply_to.set(None)  # somebody else who wants it stopped
        with desk.turn:
            if desk.loop is not None:
                desk.loop.close()

    def _start(self) -> None:
        try:
            self._desk.loop = self._open()
        except BaseException:
            self.stop()
            raise

    def _carry_out(self) -> None:
        """Carry out everything that was taken as one batch, and answer once it is durable."""
        letters, self._letters = self._letters, []
        self._commands = 0
        commands = [command for letter in letters for command in letter.commands]
        with self._desk.gate:
            self._desk.waiting -= len(commands)
        with self._desk.turn:
            answers = self._desk.carry_out(commands)
        first = 0
        for letter in letters:
            last = first + len(letter.commands)
            letter.reply.deliver(answers[first:last])
            first = last


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
        self._desk = Desk()
        self._closing = Lock()
        self._actor = LoopActor.start(opened, self._desk)
        try:
            self._actor.ask(None)
        except BaseException:
            # Who was interrupted while waiting must not leave a loop behind that nobody can close.
            self._actor.stop(block=False)
            raise

    @property
    def state(self) -> State:
        """The loop's state after the last batch; it may be read from any thread."""
        if self._desk.loop is None:
            raise self._desk.stopped()
        return self._desk.loop.state

    @property
    def alive(self) -> bool:
        """Whether commands are still taken."""
        return not self._desk.closed

    @property
    def failure(self) -> BaseException | None:
        """What stopped the loop, if something did."""
        return self._desk.failure

    @property
    def interrupted(self) -> bool:
        """Whether what stopped it was an interruption of the program, not a failure."""
        return self._desk.interrupted

    @property
    def waiting(self) -> int:
        """How many commands wait in the inbox."""
        return self._desk.waiting

    def check(self) -> None:
        """Refuse to go on with a loop that takes no commands any more.

        Raises:
            LoopStopped: The loop was closed or has failed.

        """
        if self._desk.closed:
            raise self._desk.stopped()

    def submit(self, letter: Letter) -> None:
        """Send commands; they will be answered, whatever happens.

        Raises:
            Overloaded: Too many commands wait.
            LoopStopped: The loop was closed or has failed.

        """
        self._check_process()
        desk = self._desk
        with desk.gate:
            if desk.closed:
                raise desk.stopped()
            if desk.waiting >= self._most:
                raise Overloaded(f"{self._most} commands wait already; try again a little later")
            try:
                self._actor.tell(letter)
            except pykka.ActorDeadError:
                raise desk.stopped() from None
            desk.waiting += len(letter.commands)

    def ask_at_once(self, commands: Sequence[Command | Prepared]) -> Sequence[Answer | Exception] | None:
        """Carry out commands in the caller's own thread, if nobody else waits or is being served.

        It is what the actor would do, less two changes of threads, for which a caller who is alone
        would wait about half as long as for the disk. Returns none if somebody else is there.
        """
        self._check_process()
        desk = self._desk
        if desk.waiting or not desk.turn.acquire(blocking=False):
            return None
        try:
            if desk.closed:
                return [desk.stopped()] * len(commands)
            answers = desk.carry_out(commands)
            if desk.failure is not None and desk.interrupted:
                raise desk.failure  # somebody interrupts the program, and has to get through
            return answers
        finally:
            desk.turn.release()

    def close(self) -> None:
        """Carry out what waits, then close the loop."""
        with self._closing:  # pykka can lose one of two messages to stop, and whoever waits for it
            self._actor.stop(block=True)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise LoopStopped("this process was forked from the one that opened the loop; open it again")
