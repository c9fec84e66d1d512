"""A loop in the async face of the Python API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from loopledger.adapters.embedding.async_accounts import AsyncAccounts
from loopledger.adapters.embedding.async_evaluating import AsyncEvaluatingLoop
from loopledger.adapters.embedding.building import (
    Policy,
    json_command,
    json_slots_command,
    rank_command,
    rank_slots_command,
)
from loopledger.adapters.embedding.excerpt import Excerpt, check_readable, excerpt, within
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.moments import Moment, stretch
from loopledger.adapters.embedding.replies import Outbox
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.embedding.threads import Threads
from loopledger.adapters.sqlite.async_reader import open_async_reader
from loopledger.answers import Decision, Receipt, SlotsDecision
from loopledger.audit.as_of import AsOf
from loopledger.audit.bisect import Bisection
from loopledger.audit.difference import Difference
from loopledger.audit.verification import Verification
from loopledger.audit.why import Why
from loopledger.commands import Activate, Command, ResetModel, Reward
from loopledger.deciding.request import Actions, Features, Slots
from loopledger.errors import LoopStopped
from loopledger.exchange.export import Export, Format
from loopledger.facts import Answer
from loopledger.learning.lineage import ModelVersion
from loopledger.learning.namespaces import Namespaces
from loopledger.learning.training import Progress
from loopledger.log.anchor import Anchor
from loopledger.log.dates import Dates
from loopledger.log.eraser import Erasure
from loopledger.policy import LearningPolicy
from loopledger.reports import Entry, Model, Status, entry
from loopledger.settings import Settings


class AsyncLoop(AsyncEvaluatingLoop, AsyncAccounts):
    """A learning loop; the methods are those of `Loop`."""

    def __init__(self, threads: Threads, loop: Loop) -> None:
        super().__init__(threads, loop)
        self._peek = partial(loop.directory.peek, loop.name)
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

    async def rank_slots_json(self, request: bytes | str) -> SlotsDecision:
        """Choose an action for each slot of a request as JSON, as `Loop.rank_slots_json` does."""
        session = self._peek() or await self._session()
        command = json_slots_command(session.limits, session.ids, request)
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
        return await self._threads.run(self._blocking.change_policy, policy, relearn=relearn)

    async def relearn(
        self,
        policy: Policy | None = None,
        *,
        since: int | Moment = 1,
        without: Iterable[str] = (),
        where: str | None = None,
        with_everything: bool = False,
        passes: int = 1,
        progress: Progress | None = None,
    ) -> Receipt:
        """Begin to learn the past again, as `Loop.relearn` does; progress is told in another thread."""
        return await self._threads.run_long(
            self._blocking.relearn,
            policy,
            since=since,
            without=without,
            where=where,
            with_everything=with_everything,
            passes=passes,
            progress=progress,
        )

    async def erasable(
        self,
        event_ids: Iterable[str] = (),
        *,
        older_than: Moment | timedelta | None = None,
        where: str | None = None,
    ) -> int:
        """Return how many bodies `erase` would erase, as `Loop.erasable` does."""
        return await self._threads.run_long(
            self._blocking.erasable, event_ids, older_than=older_than, where=where
        )

    async def erase(
        self,
        event_ids: Iterable[str] = (),
        *,
        older_than: Moment | timedelta | None = None,
        where: str | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Erasure:
        """Erase for good, as `Loop.erase` does; progress is told in another thread."""
        return await self._threads.run_long(
            self._blocking.erase,
            event_ids,
            older_than=older_than,
            where=where,
            force=force,
            progress=progress,
        )

    async def change_settings(self, **changes: object) -> Settings:
        """Change settings by name, and return them all."""
        return await self._threads.run(self._blocking.change_settings, **changes)

    async def train(self, progress: Progress | None = None) -> list[int]:
        """Learn what can be learned, as `Loop.train` does; progress is told in another thread."""
        return await self._threads.run_long(self._blocking.train, progress)

    async def publish(self, version: int) -> Receipt:
        """Let decisions use a version, as `Loop.publish` does."""
        return await self._threads.run_long(self._blocking.publish, version)

    async def restore_policy(self) -> Receipt:
        """Go back to the learning policy and the models before, as `Loop.restore_policy` does."""
        return await self._threads.run_long(self._blocking.restore_policy)

    async def reset_model(self) -> Receipt:
        """Go back to no model. What was logged stays."""
        return cast("Receipt", await self._ask(ResetModel()))

    async def import_model(self, model: bytes, *, trust: str | None = None) -> Receipt:
        """Publish a model from outside, as `Loop.import_model` does."""
        return await self._threads.run_long(self._blocking.import_model, model, trust=trust)

    async def settings(self) -> Settings:
        """Return the settings in force."""
        return await self._threads.run(lambda: self._blocking.settings)

    async def policy(self) -> LearningPolicy:
        """Return the learning policy in force."""
        return await self._threads.run(lambda: self._blocking.policy)

    async def status(self) -> Status:
        """Return how the loop stands."""
        return await self._threads.run(self._blocking.status)

    async def model(
        self,
        version: int | None = None,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Return a model version, as `Loop.model` does; progress is told in another thread."""
        return await self._threads.run_long(
            self._blocking.model, version, time=time, seq=seq, progress=progress
        )

    async def export(
        self,
        out: str | Path | BinaryIO,
        *,
        format: Format = "dsjson",  # noqa: A002 - what everybody calls it
        since: Moment | None = None,
        until: Moment | None = None,
        include_open: bool = False,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Export:
        """Write decisions or events for other programs, as `Loop.export` does, in another thread."""
        return await self._threads.run_long(
            self._blocking.export,
            out,
            format=format,
            since=since,
            until=until,
            include_open=include_open,
            force=force,
            progress=progress,
        )

    async def models(self) -> list[ModelVersion]:
        """Return every model version that the loop ever had, as `Loop.models` does."""
        return await self._threads.run(self._blocking.models)

    async def dates(self) -> Dates:
        """Return when the log begins and ends, and more, as `Loop.dates` does."""
        return await self._threads.run_long(self._blocking.dates)

    async def namespaces(self, decisions: int = 1000) -> Namespaces:
        """Return the namespaces that the loop's last decisions have, as `Loop.namespaces` does."""
        return await self._threads.run_long(self._blocking.namespaces, decisions)

    async def as_of(self, *, time: Moment | None = None, seq: int | None = None) -> AsOf:
        """Return the loop as it was at a moment, as `Loop.as_of` does."""
        return await self._threads.run(self._blocking.as_of, time=time, seq=seq)

    async def rank_as_of(
        self,
        request: bytes | str,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Decision | SlotsDecision:
        """Return what the loop would have answered then, as `Loop.rank_as_of` does."""
        return await self._threads.run_long(
            self._blocking.rank_as_of, request, time=time, seq=seq, progress=progress
        )

    async def why(self, event_id: str, progress: Progress | None = None) -> Why:
        """Return one decision's whole life, as `Loop.why` does."""
        return await self._threads.run_long(self._blocking.why, event_id, progress)

    async def diff(
        self, first: int | Moment, second: int | Moment, progress: Progress | None = None
    ) -> Difference:
        """Return what is different between two versions or moments, as `Loop.diff` does."""
        return await self._threads.run_long(self._blocking.diff, first, second, progress)

    async def bisect(
        self,
        request: bytes | str,
        expect: str,
        tell: Callable[[str], None] | None = None,
        *,
        slot: str | None = None,
    ) -> Bisection:
        """Return which decisions changed what the loop answers, as `Loop.bisect` does."""
        return await self._threads.run_long(self._blocking.bisect, request, expect, tell, slot=slot)

    async def verify(
        self,
        progress: Callable[[int, int], None] | None = None,
        *,
        since: int | Moment = 1,
        anchors: Sequence[Anchor] = (),
    ) -> Verification:
        """Check everything, as `Loop.verify` does; progress is told in another thread."""
        return await self._threads.run_long(self._blocking.verify, progress, since=since, anchors=anchors)

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
        return self._log(excerpt(first, last, kinds, event_id), *stretch(since, until))

    async def _log(self, wanted: Excerpt, since: int | None, until: int | None) -> AsyncIterator[Entry]:
        if since is not None or until is not None:
            wanted = await self._threads.run(within, self._blocking.place, wanted, since, until)
        folder = self._blocking.place.folder
        if folder is None:
            for found in self._blocking.log(**wanted._asdict()):
                yield found
            return
        await self._threads.run(check_readable, self._blocking.place, wanted)
        async with open_async_reader(folder / "log.db") as reader:
            async for record in reader.records(*wanted):
                yield entry(record)

    async def _session(self) -> Session:
        return await self._threads.run(self._blocking.directory.get, self.name)

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
