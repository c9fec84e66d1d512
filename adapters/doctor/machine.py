"""Judging a machine: from versions and measurements to findings. Nothing is looked up here."""

import errno
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from loopledger.adapters.scratch import PREFIX
from loopledger.health import Finding

SQLITE = "SQLite"
FOLDER = "data folder"

_STRICT = (3, 37, 0)
_WAL_RESET_BUG = (3, 7, 0)
_WAL_RESET_FIXED = (3, 51, 3)
_WAL_RESET_FIXED_IN_BRANCH = {(3, 44): 6, (3, 50): 7}

_FULL = {errno.ENOSPC, errno.EDQUOT}

_NETWORK = {
    *(
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
    ),
    *("lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "virtiofs"),
}
_MEMORY = {"ramfs", "tmpfs"}
_MEBIBYTE = 1_048_576
_LEAST_FREE = 256 * _MEBIBYTE
_LEAST_INODES = 1_000
_CARELESS = 20e-6
_MILLISECOND = 1_000


def sqlite(version: tuple[int, int, int], options: Collection[str]) -> Iterator[Finding]:
    """Judge the SQLite that Python uses.

    Args:
        version: Its version at run time.
        options: What it was compiled with, as ``PRAGMA compile_options`` says.

    """
    name = ".".join(map(str, version))
    if version < _STRICT:
        yield Finding(
            "problem",
            SQLITE,
            f"SQLite is {name}; logs need 3.37.0 or later, for STRICT tables and RETURNING",
            "use a Python that was built with a newer SQLite",
        )
    elif has_wal_reset_bug(version):
        yield Finding(
            "note",
            SQLITE,
            f"SQLite is {name}, which has the WAL-reset bug (3.7.0 to 3.51.2; fixed in 3.51.3, 3.50.7 and "
            "3.44.6): two connections that write or checkpoint at the same moment can corrupt a database",
            "a loop has one connection that writes, so let no other program write to or checkpoint a log.db "
            "while its loop is open, such as a database shell or a replicator; or use a newer SQLite",
        )
    else:
        yield Finding("ok", SQLITE, f"SQLite is {name}, without known bugs that matter to a log")
    if "THREADSAFE=0" in options:
        yield Finding(
            "problem",
            SQLITE,
            "SQLite was compiled without support for threads (THREADSAFE=0), and loops use several",
            "use a Python whose SQLite was compiled with THREADSAFE=1",
        )


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Tell whether a SQLite has the bug that can corrupt write-ahead logs when they begin anew."""
    patch = _WAL_RESET_FIXED_IN_BRANCH.get(version[:2])
    return _WAL_RESET_BUG <= version < _WAL_RESET_FIXED and (patch is None or version[2] < patch)


def software(versions: Mapping[str, str], engine: str) -> Finding:
    """Say what this installation is made of."""
    parts = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding("ok", "software", f"{parts}; models are made by {engine!r}")


def file_system(kind: str | None) -> Finding:
    """Judge the type of the data folder's file system; none is where it cannot be told."""
    if kind is None:
        return Finding("ok", FOLDER, "the type of its file system cannot be told here")
    if kind in _NETWORK or kind.startswith(("nfs", "smb")):
        return Finding(
            "warning",
            FOLDER,
            f"it is on a network file system ({kind}), where locks and fsync may not do what they say, and "
            "write-ahead logs do not work between machines",
            "keep loops on a disk of this machine",
        )
    if kind in _MEMORY:
        return Finding(
            "warning", FOLDER, f"it is in memory ({kind}): all of it is gone at a reboot", "keep it on a disk"
        )
    if kind in {"overlay", "aufs"}:
        return Finding(
            "warning",
            FOLDER,
            f"it is in a container's own layer ({kind}), which is gone with the container",
            "mount a volume for the data folder",
        )
    return Finding("ok", FOLDER, f"its file system is {kind}")


def room(free: int, inodes: int | None, used: int) -> Iterator[Finding]:
    """Judge how much room is left.

    Args:
        free: Bytes that may still be written.
        inodes: Files that may still be made; none where the file system sets no number.
        used: Bytes that the loops take now.

    """
    wanted = max(_LEAST_FREE, used // 4)
    left = f"{free // _MEBIBYTE:,} MiB are free, and the loops take {used // _MEBIBYTE:,} MiB"
    if free < wanted:
        yield Finding(
            "warning",
            FOLDER,
            f"{left}; a loop stops answering when the disk is full",
            f"make room for {wanted // _MEBIBYTE:,} MiB or more",
        )
    else:
        yield Finding("ok", FOLDER, left)
    if inodes is not None and inodes < _LEAST_INODES:
        yield Finding(
            "warning", FOLDER, f"only {inodes:,} more files can be made (inodes)", "delete files, or move"
        )


def way_out(error: int | None) -> str:
    """Say what helps against an error of the system, by its errno, where a folder is read and written."""
    return "make room there" if error in _FULL else "give this user the rights"


def left(folder: Path, count: int, size: int) -> Finding:
    """Say that killed programs have left folders.

    Args:
        folder: Where they lie.
        count: How many.
        size: Bytes that they take.

    """
    folders = "1 folder" if count == 1 else f"{count:,} folders"
    return Finding(
        "note",
        "temporary folder",
        f"killed programs have left {folders} {PREFIX}* in {folder} ({size / _MEBIBYTE:,.1f} MiB), which may "
        "hold what decisions held",
        "nothing has to be done: the next evaluation or training removes them",
    )


def syncs(seconds: Sequence[float]) -> Finding:
    """Judge how long the disk takes to make small appends durable.

    Args:
        seconds: What each fsync took.

    """
    middle, worst = median(seconds), max(seconds)
    took = f"an fsync takes {_time(middle)} (at worst {_time(worst)} of {len(seconds)})"
    if middle < _CARELESS:
        return Finding(
            "note",
            "fsync",
            f"{took}: so fast that the disk may only say that it wrote",
            "make sure that fsync reaches the disk, or that its cache outlives a power cut",
        )
    return Finding("ok", "fsync", f"{took}: at most {1 / middle:,.0f} Ranks a second for one caller")


def locks(*, work: bool) -> Finding:
    """Judge whether a second lock on a file is refused."""
    if work:
        return Finding("ok", "flock", "locks work in the data folder")
    return Finding(
        "problem",
        "flock",
        "locks do not work in the data folder: a second writer would not be noticed before its commit fails",
        "keep loops on a disk of this machine, on a file system that knows flock",
    )


def _time(seconds: float) -> str:
    microseconds = seconds * 1e6
    return f"{microseconds:,.0f} µs" if microseconds < _MILLISECOND else f"{seconds * 1e3:.2f} ms"
