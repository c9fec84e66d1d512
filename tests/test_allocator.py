"""The allocator, asked in programs of their own: how many arenas it has is for the whole program."""

import os
import platform
import subprocess
import sys
import threading

import pytest

from loopledger.adapters.allocator import giving_back

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


FREED = """
import ctypes, os, resource, sys, time
from contextlib import nullcontext
from pathlib import Path
from loopledger.adapters.allocator import giving_back
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
pieces = [libc.malloc(100_000) for _ in range(1_000)]
for piece in pieces: libc.memset(piece, 1, 100_000)
for piece in pieces[:-1]: libc.free(piece)  # the last one keeps the end of the heap
full = resident()
with giving_back(0.01) if sys.argv[1] == "back" else nullcontext():
    until = time.monotonic() + float(sys.argv[2])
    while resident() > full / 2 and time.monotonic() < until: time.sleep(0.01)
print(resident() <= full / 2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
@pytest.mark.parametrize(("how", "seconds", "gone"), [("back", 30, "True"), ("not", 0.2, "False")])
def test_what_is_free_goes_back_to_the_system(how, seconds, gone):
    words = [sys.executable, "-c", FREED, how, str(seconds)]
    assert subprocess.check_output(words, text=True, timeout=60).strip() == gone


def test_the_thread_ends():
    with giving_back(0.01):
        assert "loopledger-memory" in [thread.name for thread in threading.enumerate()]
    assert "loopledger-memory" not in [thread.name for thread in threading.enumerate()]
