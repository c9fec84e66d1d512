"""Worker processes, from the loop's side: started on demand, used again, replaced if they die or hang."""

import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import IO

from loopledger.adapters.scratch import Scratch
from loopledger.adapters.vw.wire import Answer, Fold, Garbled, Request, Score, decode_answer, receive, send
from loopledger.diagnostics import diagnostics
from loopledger.errors import LearnerFailed

_PIPE = 1 << 20
_BUFFER = 64 * 1024
_PROGRAM = "loopledger.adapters.vw.worker"


class WorkerDied(LearnerFailed):
    """The worker went away or did not answer in time; another one may do better."""


class Worker:
    """One worker process.

    Args:
        patience: Seconds without any progress after which it counts as hung.

    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._connection, theirs = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long-lived as the worker
        # Removed by whichever of the two ends last: either may be killed. Both hold its lock.
        self._scratch = Scratch()
        with theirs:
            # -P: the current folder must not decide what the worker imports.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _PROGRAM, str(theirs.fileno()), str(self._scratch.path)],
                pass_fds=[theirs.fileno(), self._scratch.descriptor],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
            )
        self._connection.settimeout(patience)

    @property
    def process(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ask(self, request: Request, examples: Iterable[bytes] = ()) -> Answer:
        """Return what the worker makes of a request.

        Raises:
            WorkerDied: It went away or hung.
            LearnerFailed: It says that it cannot be done.

        """
        try:
            if isinstance(request, Fold | Score):
                count = self._feed(request, examples)
            else:
                send(self._connection, request)
                count = 0
            message, _ = receive(self._connection)
            answer = None if message is None else decode_answer(message)
        except OSError as error:
            raise self._death(error) from error
        except (Garbled, MemoryError) as error:
            raise LearnerFailed("the learning process answered with what cannot be read") from error
        if answer is None:
            raise self._death(None)
        if answer.error is not None:
            raise LearnerFailed(f"the engine says: {answer.error}")
        if answer.examples != count:
            done = "answered" if isinstance(request, Score) else "learned"
            raise LearnerFailed(f"the engine {done} {answer.examples} of {count} examples")
        return answer

    def interrupt(self) -> None:
        """End the process; whoever waits for its answer hears of it."""
        self._process.kill()
        self._process.wait()
        self._scratch.remove()

    def close(self) -> None:
        """End the process and let go of it."""
        self._connection.close()
        self.interrupt()
        self._said.close()

    def _feed(self, request: Fold | Score, examples: Iterable[bytes]) -> int:
        theirs, ours = os.pipe()
        with suppress(AttributeError, OSError):  # only Linux can, and not beyond what a user may hold
            fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE)
        try:
            try:
                send(self._connection, request, [theirs])
            finally:
                os.close(theirs)
            os.set_blocking(ours, False)
            return self._pour(ours, examples)
        except BrokenPipeError:
            return 0  # it stopped reading: its answer says why, or its end does
        finally:
            os.close(ours)

    def _pour(self, pipe: int, examples: Iterable[bytes]) -> int:
        count = 0
        waiting: list[bytes] = []
        size = 0
        for example in examples:
            count += 1
            waiting.append(example)
            size += len(example)
            if size >= _BUFFER:
                self._write(pipe, b"".join(waiting))
                waiting, size = [], 0
        self._write(pipe, b"".join(waiting))
        return count

    def _write(self, pipe: int, content: bytes) -> None:
        view = memoryview(content)
        room = select.poll()
        room.register(pipe, select.POLLOUT)
        while view:
            if not room.poll(self._patience * 1000):
                raise TimeoutError(f"it took nothing for {self._patience:g} seconds")
            view = view[os.write(pipe, view) :]

    def _death(self, error: OSError | None) -> WorkerDied:
        """Say how it went away; a worker that hangs is killed first."""
        hung = isinstance(error, TimeoutError)
        if hung:
            self._process.kill()
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._said.seek(0)
        said = self._said.read()[-500:].decode(errors="replace").strip()
        how = (
            "hung" if hung else f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        )
        return WorkerDied(f"the learning process {how}{': ' + said if said else ''}")


class Workers:
    """A few worker processes that are shared by all loops.

    Args:
        most: How many may be at work at a time.
        patience: Seconds without any progress after which one counts as hung.

    """

    def __init__(self, most: int, patience: float) -> None:
        self._patience = patience
        self._free = threading.BoundedSemaphore(most)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._guard = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    def ask(self, request: Request, examples: Iterable[bytes] = ()) -> Answer:
        """Return what a worker makes of a request; one that fails in a way of its own is replaced."""
        if os.getpid() != self._process:
            raise LearnerFailed("this process was forked from the one that has the learning processes")
        with self._free:
            with self._guard:
                if self._closed:
                    raise LearnerFailed("the learning processes were ended")
                worker = self._take()
                self._busy.add(worker)
            try:
                answer = worker.ask(request, examples)
            except BaseException as error:
                diagnostics().info("worker ended", process=worker.process, error=str(error))
                self._give_back(worker, fit=False)
                raise
            self._give_back(worker, fit=True)
            return answer

    def _take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.close()  # it died while it had nothing to do
        return Worker(self._patience)

    def _give_back(self, worker: Worker, *, fit: bool) -> None:
        with self._guard:
            self._busy.discard(worker)
            keep = fit and not self._closed
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.close()

    def close(self) -> None:
        """End them all; those at work are interrupted."""
        with self._guard:
            self._closed = True
            workers, self._idle = self._idle, []
            for worker in self._busy:
                worker.interrupt()
        for worker in workers:
            worker.close()
