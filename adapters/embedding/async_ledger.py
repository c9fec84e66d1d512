"""The async face of the Python API: the same names, and the event loop is never blocked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast

from loopledger.adapters.embedding.building import (
    Policy,
    json_command,
    rank_command,
    rank_slots_command,
)
from loopledger.adapters.embedding.ledger import Ledger, Loop
from loopledger.adapters.embedding.moments import Moment
from loopledger.adapters.embedding.replies import Outbox
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.embedding.view import Excerpt, excerpt, instant, within
from loopledger.adapters.sqlite.async_reader import open_async_reader
from loopledger.anchor import Anchor
from loopledger.answers import Decision, Receipt, SlotsDecision
from loopledger.as_of import AsOf
from loopledger.bisect import Bisection
from loopledger.clock import Clock
from loopledger.commands import Activate, Command, ResetModel, Reward
from loopledger.difference import Difference
from loopledger.errors import LoopStopped
from loopledger.facts import Answer
from loopledger.lineage import ModelVersion
from loopledger.reports import Entry, Model, Status, entry
from loopledger.request import Actions, Features, Slots
from loopledger.settings import Settings
from loopledger.training import Progress
from loopledger.verification import Verification
from loopledger.why import Why

_P = ParamSpec("_P")
_T = TypeVar("_T")
_THREADS = 8


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
        # What takes long waits in threads of its own, so that what is short need not wait for it,
        # and the program's default ones stay free.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="loopledger-async")
        self._long = ThreadPoolExecutor(_THREADS, thread_name_prefix="loopledger-long")
        self._ledger: Ledger | None = None
        self._closed = False

    async def create(
        self, name: str, *, policy: Policy | None = None, settings: Settings | None = None
    ) -> "AsyncLoop":
        """Make a loop, as `Ledger.create` does."""
        return self._loop(await self.run(self.ledger.create, name, policy=policy, settings=settings))

    async def loop(
        self,
        name: str,
        *,
        create: bool = False,
        policy: Policy | None = None,
        settings: Settings | None = None,
    ) -> "AsyncLoop":
        """Return a loop, opened, as `Ledger.loop` does."""
        return self._loop(
            await self.run(self.ledger.loop, name, create=create, policy=policy, settings=settings)
        )

    async def loops(self) -> list[str]:
        """Return the names of the loops."""
        return await self.run(self.ledger.loops)

    async def close(self) -> None:
        """Carry out what waits, and close every loop."""
        ledger, self._ledger = self._ledger, None
        try:
            if ledger is not None:
                await self.run(ledger.close)
        finally:
            self._closed = True
            self._threads.shutdown(wait=False)
            self._long.shutdown(wait=False)

    @property
    def ledger(self) -> Ledger:
        """The blocking face of the same folder.

        Raises:
            LoopStopped: It is not open.

        """
        if self._ledger is None:
            raise LoopStopped("the ledger is not open: use it in an `async with` statement")
        return self._ledger

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call something that waits for a disk or another thread, in a thread.

        Raises:
            LoopStopped: The ledger is closed.

        """
        return await self._in(self._threads, partial(function, *args, **kwargs))

    async def run_long(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call something that learns or reads a whole log, in a thread.

        Raises:
            LoopStopped: The ledger is closed.

        """
        return await self._in(self._long, partial(function, *args, **kwargs))

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[[], _T]) -> _T:
        if self._closed:
            raise LoopStopped("the ledger is closed")
        return await asyncio.get_running_loop().run_in_executor(threads, function)

    def _loop(self, loop: Loop) -> "AsyncLoop":
        return AsyncLoop(self, loop)

    async def __aenter__(self) -> Self:
        try:
            self._ledger = await self.run(self._open)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class AsyncLoop:
    """A learning loop; the methods are those of `Loop`."""

    def __init__(self, ledger: AsyncLedger, loop: Loop) -> None:
        self.name = loop.name
        self._ledger = ledger
        self._blocking = loop
        self._peek = partial(ledger.ledger.directory.peek, loop.name)
        self._asked: Session | None = None
        self._outbox: Outbox

    async def rank(
        self,
        context: Features,
        actions: Actions,
        *,
        event_id: str | None = None,
        excluded: Iterable[str] = (),
        deferred: bool = False,
    ) -> Decision:
        """Choose an action, as `Loop.rank` does."""
        session = self._peek() or await self._session()
        named = session.ids.named(event_id, session.limits)
        command = rank_command(session.limits, named, context, actions, excluded, deferred)
        return cast("Decision", await self._ask(command, session))

    async def rank_json(self, request: bytes | str) -> Decision:
        """Choose an action for a request that comes as JSON, as `Loop.rank_json` does."""
        session = self._peek() or await self._session()
        command = json_command(session.limits, session.ids, request)
        return cast("Decision", await self._ask(command, session))

    async def rank_slots(
        self,
        context: Features,
        actions: Actions,
        slots: Slots,
        *,
        event_id: str | None = None,
        deferred: bool = False,
    ) -> SlotsDecision:
        """Choose an action for each slot, as `Loop.rank_slots` does."""
        session = self._peek() or await self._session()
        named = session.ids.named(event_id, session.limits)
        command = rank_slots_command(session.limits, named, context, actions, slots, deferred)
        return cast("SlotsDecision", await self._ask(command, session))

    async def reward(
        self, event_id: str, value: float, *, slot: str | None = None, key: str | None = None
    ) -> Receipt:
        """Say what a decision was worth, as `Loop.reward` does."""
        return cast("Receipt", await self._ask(Reward(event_id, value, slot, key)))

    async def activate(self, event_id: str) -> Receipt:
        """Say that a deferred decision took effect."""
        return cast("Receipt", await self._ask(Activate(event_id)))

    async def change_policy(self, policy: Policy, *, relearn: bool = True) -> Receipt:
        """Put another learning policy in force, as `Loop.change_policy` does."""
        return await self._ledger.run(self._blocking.change_policy, policy, relearn=relearn)

    async def change_settings(self, **changes: object) -> Settings:
        """Change settings by name, and return them all."""
        return await self._ledger.run(self._blocking.change_settings, **changes)

    async def train(self, progress: Progress | None = None) -> list[int]:
        """Learn what can be learned, as `Loop.train` does; progress is told in another thread."""
        return await self._ledger.run_long(self._blocking.train, progress)

    async def publish(self, version: int) -> Receipt:
        """Let decisions use a version, as `Loop.publish` does."""
        return await self._ledger.run_long(self._blocking.publish, version)

    async def reset_model(self) -> Receipt:
        """Go back to no model. What was logged stays."""
        return cast("Receipt", await self._ask(ResetModel()))

    async def import_model(self, model: bytes) -> Receipt:
        """Publish a model from outside, as `Loop.import_model` does."""
        return await self._ledger.run_long(self._blocking.import_model, model)

    async def settings(self) -> Settings:
        """Return the settings in force."""
        return await self._ledger.run(lambda: self._blocking.settings)

    async def status(self) -> Status:
        """Return how the loop stands."""
        return await self._ledger.run(self._blocking.status)

    async def model(
        self,
        version: int | None = None,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Return a model version, as `Loop.model` does; progress is told in another thread."""
        return await self._ledger.run_long(
            self._blocking.model, version, time=time, seq=seq, progress=progress
        )

    async def models(self) -> list[ModelVersion]:
        """Return every model version that the loop ever had, as `Loop.models` does."""
        return await self._ledger.run(self._blocking.models)

    async def as_of(self, *, time: Moment | None = None, seq: int | None = None) -> AsOf:
        """Return the loop as it was at a moment, as `Loop.as_of` does."""
        return await self._ledger.run(self._blocking.as_of, time=time, seq=seq)

    async def rank_as_of(
        self,
        request: bytes | str,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Decision:
        """Return what the loop would have answered then, as `Loop.rank_as_of` does."""
        return await self._ledger.run_long(
            self._blocking.rank_as_of, request, time=time, seq=seq, progress=progress
        )

    async def why(self, event_id: str, progress: Progress | None = None) -> Why:
        """Return one decision's whole life, as `Loop.why` does."""
        return await self._ledger.run_long(self._blocking.why, event_id, progress)

    async def diff(
        self, first: int | Moment, second: int | Moment, progress: Progress | None = None
    ) -> Difference:
        """Return what is different between two versions or moments, as `Loop.diff` does."""
        return await self._ledger.run_long(self._blocking.diff, first, second, progress)

    async def bisect(
        self, request: bytes | str, expect: str, tell: Callable[[str], None] | None = None
    ) -> Bisection:
        """Return which decisions changed what the loop answers, as `Loop.bisect` does."""
        return await self._ledger.run_long(self._blocking.bisect, request, expect, tell)

    async def verify(
        self,
        progress: Callable[[int, int], None] | None = None,
        *,
        since: int | Moment = 1,
        anchors: Sequence[Anchor] = (),
    ) -> Verification:
        """Check everything, as `Loop.verify` does; progress is told in another thread."""
        return await self._ledger.run_long(self._blocking.verify, progress, since=since, anchors=anchors)

    def log(
        self,
        *,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> AsyncIterator[Entry]:
        """Yield the log's events, as `Loop.log` does."""
        return self._log(excerpt(first, last, kinds, event_id), instant(since), instant(until))

    async def _log(self, wanted: Excerpt, since: int | None, until: int | None) -> AsyncIterator[Entry]:
        if since is not None or until is not None:
            wanted = await self._ledger.run(within, self._blocking.place, wanted, since, until)
        folder = self._blocking.place.folder
        if folder is None:
            for found in self._blocking.log(**wanted._asdict()):
                yield found
            return
        async with open_async_reader(folder / "log.db") as reader:
            async for record in reader.records(*wanted):
                yield entry(record)

    async def _session(self) -> Session:
        return await self._ledger.run(self._ledger.ledger.directory.get, self.name)

    async def _ask(self, command: Command, session: Session | None = None) -> Answer:
        while True:
            session = session or self._peek() or await self._session()
            running = asyncio.get_running_loop()
            if session is not self._asked or self._outbox.loop is not running:
                self._asked = session
                self._outbox = Outbox(running, session.inbox)
            try:
                return await self._outbox.put(command)
            except LoopStopped:
                if not session.retired:  # else it was closed to make room, and is opened again
                    raise
            session = None

    def __repr__(self) -> str:
        return f"AsyncLoop({self.name!r})"
