"""How answers get from a loop's thread to whoever waits for them."""

import asyncio
from collections import deque
from queue import SimpleQueue

from loopledger.actor import BATCH, Inbox, Request
from loopledger.commands import Command
from loopledger.errors import LoopledgerError
from loopledger.facts import Answer
from loopledger.loop import Prepared


class BlockingReply:
    """An answer that a thread waits for."""

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: SimpleQueue[Answer | Exception] = SimpleQueue()

    def deliver(self, answer: Answer | Exception) -> None:
        """Hand over the answer."""
        self._answers.put(answer)

    def wait(self) -> Answer:
        """Return the answer, or raise the error."""
        answer = self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


class Postbox:
    """Brings answers into one asyncio event loop, a whole batch with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._post: deque[tuple[asyncio.Future[Answer], Answer | Exception]] = deque()
        self._called = False

    def put(self, future: "asyncio.Future[Answer]", answer: Answer | Exception) -> None:
        """Leave an answer; may be called from any thread."""
        self._post.append((future, answer))
        if not self._called:
            self._called = True
            try:
                self.loop.call_soon_threadsafe(self._empty)
            except RuntimeError:
                self._called = False  # the event loop is closed: nobody waits any more

    def _empty(self) -> None:
        # First this, then the emptying: an answer that comes in between calls again.
        self._called = False
        while self._post:
            future, answer = self._post.popleft()
            if future.done():
                continue  # the caller has given up; the event is in the log all the same
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Outbox:
    """Gathers what the coroutines of one event loop ask of one loop, and sends it with one message.

    Coroutines that wake together ask together: so a message costs them all what it would cost
    one, and the two threads do not fight for the interpreter's lock over every single one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, inbox: Inbox) -> None:
        self._loop = loop
        self._inbox = inbox
        self._requests: list[Request] = []

    def put(self, command: Command | Prepared, reply: "AsyncReply") -> None:
        """Send a command with the next message."""
        if not self._requests:
            self._loop.call_soon(self._send)
        self._requests.append(Request(command, reply))
        if len(self._requests) >= BATCH:
            self._send()

    def _send(self) -> None:
        requests, self._requests = self._requests, []
        if not requests:
            return
        try:
            self._inbox.submit(requests)
        except LoopledgerError as error:
            for request in requests:
                request.reply.deliver(error)


class AsyncReply:
    """An answer that a coroutine waits for."""

    __slots__ = ("_postbox", "future")

    def __init__(self, postbox: Postbox) -> None:
        self._postbox = postbox
        self.future: asyncio.Future[Answer] = postbox.loop.create_future()

    def deliver(self, answer: Answer | Exception) -> None:
        """Hand over the answer; called in the loop's own thread."""
        self._postbox.put(self.future, answer)
