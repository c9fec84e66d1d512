"""The disk that goes wrong on purpose, as programs use it that were started with it (see disk.c)."""

import ctypes
import os
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "disk.c"
COMPILER = shutil.which("cc")
MISSING = (
    "the disk that goes wrong is made for Linux"
    if sys.platform != "linux"
    else "there is no C compiler for the disk that goes wrong"
    if COMPILER is None
    else ""
)


class How(IntEnum):
    KILL = 1
    TEAR = 2
    FAIL_ONCE = 3
    FAIL_ON = 4
    FILL_UP = 5
    """What can be written is written by half, and nothing after it."""
    FAIL_SYNC_ONCE = 6
    FAIL_SYNC_ON = 7
    FAIL_READ_ONCE = 8
    FAIL_READ_ON = 9


def built(folder):
    library = folder / "disk.so"
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True
    )
    return library


def environment(library, **more):
    """Return what a program has to be started with so that its disk may go wrong."""
    search = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    own = {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": search,
        # Bytecode that one life wrote, the next would not write again: their calls would not be the same.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**os.environ, **own, **more}


def arm(call, how, error, part, but=""):
    """Let the so-manyth call go wrong that concerns a path with the one part in it and without the other."""
    ctypes.CDLL(None).disk_arm(ctypes.c_long(call), int(how), error, str(part).encode(), str(but).encode())


def repair():
    """Let nothing go wrong any more; return how many calls there were."""
    return ctypes.CDLL(None).disk_repair()


def failing():
    """Tell whether a call has failed since the disk was armed."""
    return bool(ctypes.CDLL(None).disk_failing())


def record(path):
    """Record every call from here on in a file."""
    ctypes.CDLL(None).disk_record(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def mark(text):
    """Put a remark among what is recorded."""
    ctypes.CDLL(None).disk_mark(text.encode())
