"""How answers get from a loop's thread to whoever waits for them."""

import asyncio
from collections import deque
from queue import SimpleQueue

from loopledger.facts import Answer


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


class AsyncReply:
    """An answer that a coroutine waits for."""

    __slots__ = ("_postbox", "future")

    def __init__(self, postbox: Postbox) -> None:
        self._postbox = postbox
        self.future: asyncio.Future[Answer] = postbox.loop.create_future()

    def deliver(self, answer: Answer | Exception) -> None:
        """Hand over the answer; called in the loop's own thread."""
        self._postbox.put(self.future, answer)
