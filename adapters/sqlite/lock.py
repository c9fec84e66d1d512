"""The writer's lock: one process, and one place in it, per loop."""

import fcntl
import os
import time
from pathlib import Path

from loopledger.errors import LoopInUse

_TRIES = 10
_PAUSE = 0.01


class WriterLock:
    """Holds a lock file until it is released, or the process ends, however it ends.

    Args:
        path: The lock file. Never the database itself: closing that file elsewhere in the process
            would drop SQLite's own locks.

    Raises:
        LoopInUse: Somebody else holds it.

    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _locked(self._file):
            pid = _pid(self._file)
            os.close(self._file)
            raise LoopInUse(
                f"{path.parent.name}: another writer has this loop open (process {pid or 'unknown'}):"
                " end it first, or only look"
            )
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            # Who could not open the loop must not keep it from those who try again when the disk is repaired.
            self.release()
            raise

    def release(self) -> None:
        """Let the next writer in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_held(path: Path) -> tuple[bool, str]:
    """Tell whether there is a writer, and which process it is; the loop is left alone.

    Asking takes a shared lock for some microseconds. A writer that comes in just then tries again.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, _pid(file)
    else:
        return False, ""
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def _pid(file: int) -> str:
    return os.pread(file, 32, 0).decode(errors="replace").strip()
