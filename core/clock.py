"""What the loop knows of time: whatever clock it was given."""

import heapq
from collections.abc import Callable
from typing import Protocol

SECOND = 1_000_000
"""Microseconds in a second; every time in a log is UTC in microseconds since 1970."""


class Clock(Protocol):
    """Tells the time and wakes people up."""

    def now(self) -> int:
        """Return UTC in microseconds since 1970; it may jump, the log never goes back."""
        ...

    def call_later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Call the action once after so many seconds; return a function that cancels it."""
        ...


class SimulatedClock:
    """A clock that stands still until it is told to move: days pass in seconds.

    What is due, automatic training among it, happens inside `advance`, in order of time and
    before `advance` returns, so that a simulation runs the same way every time.

    Args:
        start: Where it begins, UTC in microseconds since 1970; by default 2026-01-01.

    """

    def __init__(self, start: int = 1_767_225_600 * SECOND) -> None:
        self._now = start
        self._order = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []

    def now(self) -> int:
        """Return the simulated time in microseconds since 1970."""
        return self._now

    def call_later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Call the action when the clock has been advanced by so many seconds."""
        self._order += 1
        entry = (self._now + round(seconds * SECOND), self._order, action)
        heapq.heappush(self._due, entry)

        def cancel() -> None:
            if entry in self._due:
                self._due.remove(entry)
                heapq.heapify(self._due)

        return cancel

    def advance(self, seconds: float) -> None:
        """Move on, doing on the way what falls due.

        Args:
            seconds: How far; a negative number sets the clock back, as real clocks sometimes are.

        """
        end = self._now + round(seconds * SECOND)
        while self._due and self._due[0][0] <= end:
            due, _, action = heapq.heappop(self._due)
            self._now = max(self._now, due)
            action()
        self._now = end
