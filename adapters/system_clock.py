"""The clock of the machine."""

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count

from loopledger.diagnostics import diagnostics


class SystemClock:
    """Tells the machine's time, and wakes people up from one thread for all of them.

    What it calls must be quick: it holds up everybody else.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def now(self) -> int:
        """Return UTC in microseconds since 1970."""
        return time.time_ns() // 1000  # noqa: TID251 - this is the clock that everybody else is given

    def call_later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Call the action once after so many seconds; return a function that cancels it."""
        entry = (time.monotonic() + seconds, next(self._order), action)
        with self._changed:
            heapq.heappush(self._due, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="loopledger-clock", daemon=True)
                self._thread.start()
            self._changed.notify()

        def cancel() -> None:
            with self._changed:
                if entry in self._due:
                    self._due.remove(entry)
                    heapq.heapify(self._due)
                    self._changed.notify()

        return cancel

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._due:
                    self._thread = None  # the next who wants to be woken starts another
                    return
                wait = self._due[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, action = heapq.heappop(self._due)
            try:
                action()
            except Exception as error:  # noqa: BLE001 - one caller's mistake must not stop the clock
                diagnostics().error("timer failed", error=repr(error))
