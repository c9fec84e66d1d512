"""The allocator, asked in programs of their own: how many arenas it has is for the whole program."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")

PROGRAM = """
import ctypes, sys, threading
from loopledger.adapters.allocator import use_few_arenas
print(use_few_arenas() if sys.argv[1] == "few" else None, flush=True)
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(6)
def allocate():
    together.wait()
    libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, file)
libc.fflush(file)
"""


def arenas(how, **environment):
    """Return what the program was told, and how many arenas it had in the end."""
    usual = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    said = subprocess.check_output(
        [sys.executable, "-c", PROGRAM, how], env=usual | environment, text=True, timeout=60
    )
    told, _, info = said.partition("\n")
    return told, info.count("<heap ")


def test_there_are_few_where_they_are_asked_for():
    assert arenas("few") == ("True", 2)
    assert arenas("many")[1] > 2


def test_what_somebody_has_set_stays():
    assert arenas("few", MALLOC_ARENA_MAX="4") == ("False", 4)
