"""The C library's allocator: a program that runs for months should let it have few arenas.

glibc gives up to eight arenas for each core to a program's threads, and an arena hardly gives back what
it once had. Loops are opened, taught and closed in many threads, so the memory of a program grows for a
long time although nothing is kept: with two arenas, a third as fast (`python benchmarks/soak.py`).
"""

import ctypes
import os

_ARENAS = -8  # M_ARENA_MAX in <malloc.h>
_FEW = 2


def use_few_arenas() -> bool:
    """Let the allocator have two arenas at most; tell whether it does as it is told.

    It has to be called before there are threads. Where ``MALLOC_ARENA_MAX`` is set, that stays; another C
    library than glibc has no arenas.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_ARENAS, _FEW))
