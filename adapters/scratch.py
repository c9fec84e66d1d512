"""Folders for what is needed for a while, outside the data folder: copies of decisions, models, answers.

A killed process leaves its own behind, and what decisions held in it. So each folder holds a file that
stays locked for as long as a process uses the folder, and whoever comes next removes what nobody locks.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

PREFIX = "loopledger-"
LOCK = ".in-use"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}

_guard = threading.Lock()
_looked: set[int] = set()


class Scratch:
    """A folder that only this user may read, in the system's folder for such; gone at the end of a `with`.

    A process that is given the descriptor, and need not know of it, keeps the folder in use as well.
    The first of a process removes what killed processes left.

    Attributes:
        path: The folder.

    """

    def __init__(self) -> None:
        if _is_first():
            sweep()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            self._lock = _locked(self.path)
        except BaseException:
            remove(self.path)
            raise

    @property
    def descriptor(self) -> int:
        """The lock's file descriptor, to be inherited by a process that uses the folder too."""
        return self._lock.fileno()

    def remove(self) -> None:
        """Remove the folder; nobody uses it any more. May be called again."""
        remove(self.path)
        self._lock.close()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


class Abandoned:
    """A folder that a killed process left, locked so that nobody else removes it meanwhile.

    Args:
        path: The folder.

    Raises:
        OSError: It is not one: another user's, not made by this program, or still in use.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        seen = path.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
            raise NotADirectoryError
        self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)


def sweep() -> None:
    """Remove what killed processes of this user left; what cannot be removed stays."""
    for path in _ours():
        with suppress(OSError), Abandoned(path):
            remove(path)


def abandoned() -> list[Path]:
    """Return the folders that `sweep` would remove."""
    found = []
    for path in _ours():
        with suppress(OSError), Abandoned(path):
            found.append(path)
    return found


def remove(path: Path) -> None:
    """Remove a folder, its lock last.

    What is interrupted, or hindered by somebody who still writes there, is left to the next sweep.
    """
    with suppress(OSError):
        for inside in list(path.iterdir()):
            if inside.is_dir() and not inside.is_symlink():
                shutil.rmtree(inside, ignore_errors=True)
            elif inside.name != LOCK:
                inside.unlink(missing_ok=True)
        if all(inside.name == LOCK for inside in path.iterdir()):
            (path / LOCK).unlink(missing_ok=True)
            path.rmdir()


def _ours() -> list[Path]:
    try:
        return sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    except OSError:
        return []


def _is_first() -> bool:
    """Tell, once in each process, that it is the first time."""
    with _guard:
        first = os.getpid() not in _looked
        _looked.add(os.getpid())
    return first


def _locked(folder: Path) -> IO[bytes]:
    """Return the lock of a folder. It gets its name once it is held: no sweep may ever see it free."""
    beside = folder / f"{LOCK}.new"
    file = beside.open("xb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        beside.rename(folder / LOCK)
    except BaseException as error:
        # Where no lock can be held, nobody could tell a folder in use: it keeps a name no sweep looks for.
        if not isinstance(error, OSError) or error.errno not in _NO_LOCKS:
            file.close()
            raise
    return file
