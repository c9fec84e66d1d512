"""Measuring a machine: what `machine` judges."""

import fcntl
import os
import platform
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from loopledger.adapters import scratch
from loopledger.adapters.doctor import machine
from loopledger.adapters.vw.arguments import engine
from loopledger.health import Finding

_MOUNTS = Path("/proc/self/mountinfo")
_SYNCS = 20
_APPENDED = bytes(1024)
_PARTS = ("loopledger", "vowpalwabbit", "pykka", "msgspec", "aiosqlite")


def installation() -> Iterator[Finding]:
    """Yield what there is to say of this Python and what it uses."""
    with closing(sqlite3.connect(":memory:")) as connection:
        options = {row[0] for row in connection.execute("PRAGMA compile_options")}
    major, minor, patch, *_ = (*map(int, sqlite3.sqlite_version.split(".")), 0, 0)
    yield from machine.sqlite((major, minor, patch), options)
    versions = {"Python": platform.python_version(), **{name: version(name) for name in _PARTS}}
    yield machine.software(versions, engine())


def data_folder(folder: Path) -> Iterator[Finding]:
    """Yield what there is to say of the place where loops are kept; a file is made and removed there."""
    try:
        if not folder.is_dir():
            yield _no_folder(folder)
            return
        yield machine.file_system(file_system(folder))
        free = os.statvfs(folder)
        yield from machine.room(
            free.f_bavail * free.f_frsize, free.f_favail if free.f_files else None, _size(folder)
        )
        with tempfile.TemporaryFile(dir=folder, prefix=".doctor-") as file:
            yield machine.syncs(list(_syncs(file.fileno())))
        yield machine.locks(work=_locks_work(folder))
    except OSError as error:
        yield Finding(
            "problem",
            machine.FOLDER,
            f"{folder} cannot be read and written: {error.strerror or error}",
            f"{machine.way_out(error.errno)}, or give another folder with --data",
        )


def left_in_temporary_folder() -> Iterator[Finding]:
    """Yield what there is to say of folders that killed programs left where temporary ones are made."""
    left = scratch.abandoned()
    if left:
        yield machine.left(Path(tempfile.gettempdir()), len(left), sum(map(_size, left)))


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of a folder's file system, if the system tells."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    place = folder.resolve()
    best: tuple[int, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        if not after:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        # Of two on the same point the later one covers the earlier.
        if place.is_relative_to(point) and (best is None or len(point) >= best[0]):
            best = len(point), after.split(" ")[0]
    return best[1] if best else None


def _no_folder(folder: Path) -> Finding:
    if folder.exists():
        return Finding("problem", machine.FOLDER, f"{folder} is no folder", "give a folder with --data")
    return Finding(
        "note",
        machine.FOLDER,
        f"there is no folder {folder}",
        "`loopledger create` makes it; --data or LOOPLEDGER_DATA says where",
    )


def _size(folder: Path) -> int:
    sizes = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # what another process just removed
            sizes += path.lstat().st_size
    return sizes


def _syncs(file: int) -> Iterator[float]:
    for _ in range(_SYNCS):
        os.write(file, _APPENDED)
        begun = perf_counter()
        os.fsync(file)
        yield perf_counter() - begun


def _locks_work(folder: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        other = os.open(file.name, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        else:
            return False
        finally:
            os.close(other)
