"""What has to be done for files to outlive a power cut, and is easily forgotten."""

import os
from contextlib import suppress
from pathlib import Path

_PIECE = 1_048_576


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, and see to it that they stay.

    Raises:
        OSError: One cannot be made, or there is something else of its name.

    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # one may be allowed to write in a folder and not to read it
        sync(folder.parent)


def sync(path: Path) -> None:
    """Wait until a file is on the disk, or the names in a folder: syncing what they name does not do that."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_again(path: Path) -> None:
    """Write a file's bytes over themselves, if there is one: the next sync then covers all of them.

    Where a sync has failed, systems take what it was for as written, and leave it out of the next.
    Nobody else may write there meanwhile.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        at = 0
        while content := os.pread(handle, _PIECE, at):
            at += os.pwrite(handle, content, at)
    finally:
        os.close(handle)
