"""The async face of the Python API: the same names, and the event loop is never blocked."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from loopledger.adapters.backup.manifest import Backup
from loopledger.adapters.backup.restoring import Restored
from loopledger.adapters.embedding.async_loop import AsyncLoop
from loopledger.adapters.embedding.building import (
    Policy,
)
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.moments import Moment
from loopledger.adapters.embedding.threads import Threads
from loopledger.clock import Clock
from loopledger.errors import LoopStopped
from loopledger.exchange.history import HistoryReport
from loopledger.health import Diagnosis
from loopledger.learning.training import Progress
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


class AsyncLedger:
    """A data folder with its loops, opened for writing. Use it in an `async with` statement.

    The arguments are those of `Ledger`.
    """

    def __init__(
        self,
        folder: str | Path = "loopledger-data",
        *,
        clock: Clock | None = None,
        workers: int | None = None,
        open_loops: int = 256,
        most_waiting: int = 4096,
    ) -> None:
        self._open = partial(
            Ledger,
            folder,
            clock=clock,
            workers=workers,
            open_loops=open_loops,
            most_waiting=most_waiting,
        )
        self._threads = Threads()
        self._ledger: Ledger | None = None

    async def create(
        self, name: str, *, policy: Policy | None = None, settings: Settings | None = None
    ) -> AsyncLoop:
        """Make a loop, as `Ledger.create` does."""
        return self._loop(await self._threads.run(self.ledger.create, name, policy=policy, settings=settings))

    async def loop(
        self,
        name: str,
        *,
        create: bool = False,
        policy: Policy | None = None,
        settings: Settings | None = None,
    ) -> AsyncLoop:
        """Return a loop, opened, as `Ledger.loop` does.

        A loop that is there keeps its own policy and settings; those given are for one that is made.
        """
        return self._loop(
            await self._threads.run(self.ledger.loop, name, create=create, policy=policy, settings=settings)
        )

    async def import_history(
        self,
        name: str,
        files: Iterable[str | Path],
        *,
        policy: Policy | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
        strict: bool = False,
    ) -> HistoryReport:
        """Make a loop out of cooked logs, as `Ledger.import_history` does; progress is told elsewhere."""
        return await self._threads.run_long(
            self.ledger.import_history,
            name,
            files,
            policy=policy,
            settings=settings,
            progress=progress,
            strict=strict,
        )

    async def policy_of(self, model: bytes, *, trust: str | None = None) -> LearningPolicy:
        """Return the policy that a model was made under, as `Ledger.policy_of` does."""
        return await self._threads.run_long(self.ledger.policy_of, model, trust=trust)

    async def loops(self) -> list[str]:
        """Return the names of the loops."""
        return await self._threads.run(self.ledger.loops)

    async def doctor(self, *names: str) -> Diagnosis:
        """Return what is wrong, or might go wrong, as `Ledger.doctor` does."""
        return await self._threads.run_long(self.ledger.doctor, *names)

    async def backup(
        self,
        out: str | Path,
        *names: str,
        keys: bool = True,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Backup:
        """Copy loops into a folder, as `Ledger.backup` does; progress is told in another thread."""
        return await self._threads.run_long(
            self.ledger.backup, out, *names, keys=keys, force=force, progress=progress
        )

    async def restore(
        self,
        source: str | Path,
        *names: str,
        time: Moment | None = None,
        seq: int | None = None,
        called: str | None = None,
        chain_only: bool = False,
        keys: bool = True,
        progress: Progress | None = None,
    ) -> list[Restored]:
        """Put loops of a backup here, as `Ledger.restore` does; progress is told in another thread."""
        return await self._threads.run_long(
            self.ledger.restore,
            source,
            *names,
            time=time,
            seq=seq,
            called=called,
            chain_only=chain_only,
            keys=keys,
            progress=progress,
        )

    async def close(self) -> None:
        """Carry out what waits, and close every loop."""
        ledger, self._ledger = self._ledger, None
        try:
            if ledger is not None:
                await self._threads.run(ledger.close)
        finally:
            self._threads.close()

    @property
    def ledger(self) -> Ledger:
        """The blocking face of the same folder.

        Raises:
            LoopStopped: It is not open.

        """
        if self._ledger is None:
            raise LoopStopped("the ledger is not open: use it in an `async with` statement")
        return self._ledger

    def _loop(self, loop: Loop) -> AsyncLoop:
        return AsyncLoop(self._threads, loop)

    async def __aenter__(self) -> Self:
        try:
            self._ledger = await self._threads.run(self._open)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
