"""The writer's lock: one process, and one place in it, per loop."""

import fcntl
import os
from pathlib import Path

from loopledger.errors import LoopInUse


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
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise LoopInUse(
                f"{path.parent.name}: another writer has this loop open (process {holder or 'unknown'})"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next writer in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
