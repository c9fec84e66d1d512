"""The C library's allocator: what a program that runs for months should tell it.

glibc gives up to eight arenas for each core to a program's threads, and an arena hardly gives back what
it once had. Loops are opened, taught and closed in many threads, so the memory of a program grows for a
long time although nothing is kept. With two arenas it grows a third as fast, and what is free in the
middle of them goes back to the system only when it is asked for (`python benchmarks/soak.py`).
"""

import ctypes
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

_ARENAS = -8  # M_ARENA_MAX in <malloc.h>
_FEW = 2


def use_few_arenas() -> bool:
    """Let the allocator have two arenas at most; tell whether it does as it is told.

    It has to be called before there are threads. Where ``MALLOC_ARENA_MAX`` is set, that stays; another C
    library than glibc has no arenas.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = _function("mallopt")
    return mallopt is not None and bool(mallopt(_ARENAS, _FEW))


@contextmanager
def giving_back(every: float = 60.0) -> Generator[None]:
    """Let the allocator give free memory back to the system, again and again, in a thread of its own.

    Args:
        every: So many seconds. It takes some milliseconds each time, without Python's lock.

    """
    trim = _function("malloc_trim")
    if trim is None:
        yield
        return
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every):
            trim(0)

    thread = threading.Thread(target=go_on, name="loopledger-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _function(name: str) -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
