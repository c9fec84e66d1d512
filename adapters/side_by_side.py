"""Doing work side by side, as much of it at a time as there are cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def side_by_side(works: Sequence[Callable[[], T]]) -> list[T]:
    """Return what comes of some work, in its order; each runs in a thread of its own.

    Threads are enough where other processes do the work. If one fails, or this is interrupted, those
    that have not begun never do, and nobody waits for the others.
    """
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="loopledger-judging")
    futures = [pool.submit(work) for work in works]
    try:
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
