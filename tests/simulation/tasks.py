"""Work that several threads would do, one piece at a time: whoever schedules says who goes on.

A task runs in a thread of its own, for what it calls is ordinary code; but only one thread runs at a
time, and it changes hands where a task pauses, so that a simulation is the same every time.
"""

from threading import Semaphore, Thread


class Ended(BaseException):
    """The simulated process that a task runs in has died."""


def at_once():
    return True


class Task:
    """Work that pauses.

    Attributes:
        ready: Tells whether what it waits for has come.
        done: Whether it is over.
        result: What came of it.
        error: What it failed with.

    """

    def __init__(self, name, work):
        self.name = name
        self.ready = at_once
        self.done = False
        self.result = None
        self.error = None
        self._work = work
        self._killed = False
        self._go, self._back = Semaphore(0), Semaphore(0)
        Thread(target=self._run, name=name, daemon=True).start()

    def go_on(self):
        """Let it work until it pauses or is over; called by the scheduler."""
        self._go.release()
        self._back.acquire()

    def pause(self, ready=at_once):
        """Let others go first, and wait for something; called by the task."""
        self.ready = ready
        self._back.release()
        self._go.acquire()
        self.ready = at_once
        if self._killed:
            raise Ended

    def kill(self):
        """End it where it is, as the end of a process would."""
        self._killed = True
        while not self.done:
            self.go_on()

    def _run(self):
        self._go.acquire()
        try:
            if not self._killed:
                self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - the scheduler looks at it
            self.error = error
        self.done = True
        self._back.release()


class Turn:
    """What a lock is among tasks."""

    def __init__(self, world):
        self._world = world
        self._held = False

    def __enter__(self):
        while self._held:
            self._world.current.pause(lambda: not self._held)
        self._held = True

    def __exit__(self, *_):
        self._held = False

    def locked(self):
        return self._held
