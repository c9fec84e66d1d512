"""Threads in which an async program waits for disks, other threads and training."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from loopledger.errors import LoopStopped

_P = ParamSpec("_P")
_T = TypeVar("_T")
_THREADS = 8


class Threads:
    """Calls blocking functions for an async program.

    What takes long waits in threads of its own, so that what is short need not wait for it, and
    the program's default ones stay free.
    """

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(_THREADS, thread_name_prefix="loopledger-async")
        self._long = ThreadPoolExecutor(_THREADS, thread_name_prefix="loopledger-long")
        self._closed = False

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call something that waits for a disk or another thread.

        Raises:
            LoopStopped: The ledger is closed.

        """
        return await self._in(self._short, partial(function, *args, **kwargs))

    async def run_long(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call something that learns or reads a whole log.

        Raises:
            LoopStopped: The ledger is closed.

        """
        return await self._in(self._long, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Take nothing more; what is under way is finished."""
        self._closed = True
        self._short.shutdown(wait=False)
        self._long.shutdown(wait=False)

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[[], _T]) -> _T:
        if self._closed:
            raise LoopStopped("the ledger is closed")
        return await asyncio.get_running_loop().run_in_executor(threads, function)
