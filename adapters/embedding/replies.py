"""How answers get from a loop's thread to whoever waits for them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import cast

from loopledger.actor import BATCH, Inbox, Letter
from loopledger.commands import Command
from loopledger.errors import LoopledgerError
from loopledger.facts import Answer
from loopledger.loop import Prepared


class BlockingReply:
    """An answer that a thread waits for."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer | Exception] = SimpleQueue()

    def deliver(self, answers: Sequence[Answer | Exception]) -> None:
        """Hand over the answer."""
        self._answers.put(answers[0])

    def wait(self) -> Answer:
        """Return the answer, or raise the error."""
        answer = self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class AsyncReply:
    """Answers that coroutines of one event loop wait for; a whole letter's come with one wake-up.

    Args:
        loop: The event loop.
        futures: One for each command of the letter.

    """

    __slots__ = ("_futures", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, futures: "list[asyncio.Future[Answer]]") -> None:
        self._loop = loop
        self._futures = futures

    def deliver(self, answers: Sequence[Answer | Exception]) -> None:
        """Hand over the answers; called in the actor's thread."""
        # A closed event loop has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.settle, answers)

    def settle(self, answers: Sequence[Answer | Exception]) -> None:
        """Hand over the answers; called in the event loop's own thread."""
        for future, answer in zip(self._futures, answers, strict=True):
            if future.done():
                continue  # the caller has given up; the event is in the log all the same
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Outbox:
    """Gathers what the coroutines of one event loop ask of one loop, and sends it in one letter.

    Coroutines that wake together ask together: so a letter costs them all what it would cost
    one, and the two threads do not fight for the interpreter's lock over every command.

    Args:
        loop: The event loop.
        inbox: Of the loop that is asked.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop, inbox: Inbox) -> None:
        self.loop = loop
        self._inbox = inbox
        self._commands: list[Command | Prepared] = []
        self._futures: list[asyncio.Future[Answer]] = []

    def put(self, command: Command | Prepared) -> "asyncio.Future[Answer]":
        """Send a command with the next letter, and return its answer to come."""
        commands = self._commands
        if not commands:
            self.loop.call_soon(self._send)
        commands.append(command)
        future = self.loop.create_future()
        self._futures.append(future)
        if len(commands) >= BATCH:
            self._send()
        return future

    def _send(self) -> None:
        if not self._commands:
            return
        letter = Letter(self._commands, AsyncReply(self.loop, self._futures))
        self._commands, self._futures = [], []
        try:
            self._inbox.submit(letter)
        except LoopledgerError as error:
            cast("AsyncReply", letter.reply).settle([error] * len(letter.commands))
