"""Work that is done in the background and given up when the program ends."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from loopledger.diagnostics import diagnostics


class Chores:
    """A few daemon threads that do what they are given, in order.

    The standard library's pools keep a program alive until their last task is done; nothing here
    is worth that, because what was answered is in the log.

    Args:
        threads: How many tasks may run at a time.

    """

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._closed = False

    def submit(self, task: Callable[[], None]) -> None:
        """Do a task as soon as a thread is free; after `close` it is dropped."""
        with self._guard:
            if self._closed:
                return
            if len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="loopledger-chores", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._tasks.put(task)

    def close(self) -> None:
        """Finish the tasks that run, and drop the others."""
        with self._guard:
            self._closed = True
            threads, self._threads = self._threads, []
        for _ in threads:
            self._tasks.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self._closed:
                continue
            try:
                task()
            except Exception as error:  # noqa: BLE001 - the next task must not suffer
                diagnostics().error("background task failed", error=repr(error))
