"""Looking at a loop without writing to it; it may be open elsewhere meanwhile."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from loopledger.adapters.embedding.account_view import AccountView
from loopledger.adapters.embedding.building import EventIds, either_command
from loopledger.adapters.embedding.evaluation_view import EvaluationView
from loopledger.adapters.embedding.excerpt import Excerpt, check_readable, excerpt, within
from loopledger.adapters.embedding.exporting import Wanted, export
from loopledger.adapters.embedding.moments import Moment, instant, microseconds, stretch
from loopledger.adapters.verifier import side_by_side
from loopledger.answers import Decision, SlotsDecision
from loopledger.audit.as_of import AsOf, as_of, rank_as_of
from loopledger.audit.bisect import Bisection, Bisector
from loopledger.audit.difference import Difference, Side, difference, side_of
from loopledger.audit.verification import Verification
from loopledger.audit.verify import verify
from loopledger.audit.why import Why, why
from loopledger.clock import SimulatedClock
from loopledger.deciding.request import whole_number
from loopledger.errors import InvalidRequest, NotFound
from loopledger.exchange.export import Export, Format
from loopledger.learning.checkpoints import recover
from loopledger.learning.lineage import ModelVersion, lineage
from loopledger.learning.namespaces import Namespaces, namespaces
from loopledger.learning.replay import first_from, seq_at, state_at
from loopledger.learning.training import Progress
from loopledger.log.anchor import Anchor
from loopledger.log.dates import Dates, dates
from loopledger.log.journal import Reader
from loopledger.reports import Entry, Model, Status, entry, model_as_of, status

_SEQ = re.compile(r"@\d{1,30}")


class LoopView(EvaluationView, AccountView):
    """Reads one loop; the arguments are those of `Looking`."""

    def status(self) -> Status:
        """Return how the loop stands."""
        with self._reading() as reader:
            state = recover(reader, self.place.checkpoints)
            if state is None:
                raise NotFound("the log is empty: the loop was never created")
            return replace(status(reader, state), name=self.name)

    def model(
        self,
        version: int | None = None,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Return a model version, rebuilt from the log if its bytes are not kept.

        Args:
            version: Its number; or
            time: a time at which it was published; or
            seq: a place in the log at which it was published. With none of them: the one published now.
            progress: Is told of decisions learned again, and of how many.

        Raises:
            NotFound: There is no such version, or was no model then.
            ReplayMismatch: It does not rebuild to what was recorded.

        """
        with self._reading() as reader:
            return model_as_of(
                reader,
                self._learner,
                self.place.checkpoints,
                version=version,
                at=instant(time),
                seq=seq,
                progress=progress,
            )

    def log(
        self,
        *,
        first: int = 1,
        last: int | None = None,
        kinds: Sequence[str] | None = None,
        event_id: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> Iterator[Entry]:
        """Yield the log's events in their order, read a page at a time.

        Args:
            first: Begin with this seq.
            last: End with this seq.
            kinds: Only events of these kinds.
            event_id: Only events of this decision.
            since: Only events of this time or later.
            until: Only events of this time or earlier.

        Raises:
            InvalidRequest: There cannot be such events.

        """
        wanted = excerpt(first, last, kinds, event_id)
        return self._log(wanted, *stretch(since, until))

    def _log(self, wanted: Excerpt, since: int | None, until: int | None) -> Iterator[Entry]:
        if since is not None or until is not None:
            wanted = within(self.place, wanted, since, until)
        check_readable(self.place, wanted)
        with closing(self.place.store.reader()) as reader:
            for record in reader.records(*wanted):
                yield entry(record)

    def export(
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
        """Write decisions with what came for them, or events, for other programs (docs/exporting.md).

        A file is written whole or not at all.

        Args:
            out: The file's name, or a binary stream that is open for writing.
            format: ``dsjson`` (joined examples for VowpalWabbit), ``csv`` or ``parquet`` (a table)
                or ``events`` (the log itself as lines of JSON).
            since: Begin with this event (its seq, a whole number) or at this time (text or datetime).
            until: End with this event, or at this time.
            include_open: Whether to take decisions too for which rewards may still come.
            force: Whether to replace a file of that name.
            progress: Is told of decisions or events written, and of how many.

        Raises:
            InvalidRequest: Names the argument that cannot be used.
            Conflict: There is a file of that name.

        """
        wanted = Wanted(format, since, until, include_open)
        return export(self.place, self._clock, wanted, out, force=force, progress=progress)

    def models(self) -> list[ModelVersion]:
        """Return every model version that the loop ever had, without their bytes."""
        with self._reading() as reader:
            return lineage(reader, self.place.checkpoints)

    def dates(self) -> Dates:
        """Return when the log begins and ends, and when model and settings were changed last."""
        with self._reading() as reader:
            return dates(reader)

    def namespaces(self, decisions: int = 1000) -> Namespaces:
        """Return the namespaces that the loop's last decisions have; `loopledger.crossed` takes them.

        Args:
            decisions: At how many to look, at most.

        Raises:
            InvalidRequest: That is no number above zero.

        """
        most = whole_number("decisions", decisions)
        if most < 1:
            raise InvalidRequest("decisions", "must be at least 1")
        with self._reading() as reader:
            return namespaces(reader, most)

    def as_of(self, *, time: Moment | None = None, seq: int | None = None) -> AsOf:
        """Return the loop as it was at a time, or after an event; with neither of them, as it is.

        Raises:
            NotFound: The loop did not exist then.

        """
        with self._reading() as reader:
            return as_of(reader, _seq(reader, time, seq))

    def rank_as_of(
        self,
        request: bytes | str,
        *,
        time: Moment | None = None,
        seq: int | None = None,
        progress: Progress | None = None,
    ) -> Decision | SlotsDecision:
        """Return what the loop would have answered then; nothing is logged.

        The same event id gets the draw that it got, or would have got.

        Args:
            request: JSON as `Loop.rank_json` takes it, or with ``slots`` as `Loop.rank_slots_json` does.
            time: The moment, or
            seq: an event after which it is asked; with neither of them: now.
            progress: Is told of decisions learned again, and of how many.

        Raises:
            InvalidRequest: The request cannot be used, or does not fit the policy of that moment.
            NotFound: The loop did not exist then.

        """
        with self._reading() as reader:
            state = state_at(reader, _seq(reader, time, seq))
            command = either_command(state.settings.limits, EventIds(SimulatedClock(state.at)), request)
            return rank_as_of(reader, self._learner, self.place.checkpoints, state, command, progress)

    def why(self, event_id: str, progress: Progress | None = None) -> Why:
        """Return one decision's whole life, computed again from the log.

        Args:
            event_id: The decision's id.
            progress: Is told of decisions learned again where models are not kept, and of how many.

        Raises:
            NotFound: No decision has this id.

        """
        with self._reading() as reader:
            return why(reader, self._learner, self.place.checkpoints, event_id, progress)

    def diff(self, first: int | Moment, second: int | Moment, progress: Progress | None = None) -> Difference:
        """Return what is different between two versions or moments.

        Args:
            first: A version's number; or a time; or ``"@1000"``, the moment after event 1,000.
            second: The same for the other side.
            progress: Is told of decisions learned again, and of how many.

        Raises:
            NotFound: There is no such version or moment.
            Conflict: One of them decides several slots, and the other one does not.

        """
        with self._reading() as reader:
            one, other = _side(reader, "first", first), _side(reader, "second", second)
            return difference(reader, self._learner, self.place.checkpoints, one, other, progress)

    def bisect(
        self,
        request: bytes | str,
        expect: str,
        tell: Callable[[str], None] | None = None,
        *,
        slot: str | None = None,
    ) -> Bisection:
        """Return which decisions changed what the loop answers to a context.

        Args:
            request: JSON as `Loop.rank_json` takes it, or with ``slots`` as `Loop.rank_slots_json` does.
            expect: The action that used to be the most probable.
            tell: Is told in a sentence what was found out, step by step.
            slot: For this slot; by default the first one. The slots before it take what the same
                model finds the most probable for them.

        Raises:
            NotFound: The answer is as expected, or never was in the line of versions that is published,
                or the request has no such action or slot.
            Conflict: The request has slots and the loop decides one action, or the other way round.

        """
        with self._reading() as reader:
            state = state_at(reader, reader.head().seq)
            command = either_command(state.settings.limits, EventIds(SimulatedClock(state.at)), request)
            return Bisector(
                reader,
                self._learner,
                self.place.checkpoints,
                command,
                expect,
                slot,
                tell or (lambda _: None),
            ).find()

    def verify(
        self,
        progress: Callable[[int, int], None] | None = None,
        *,
        since: int | Moment = 1,
        anchors: Sequence[Anchor] = (),
    ) -> Verification:
        """Check the chain, rebuild every model version, and compute every decision again.

        Args:
            progress: Is told how much is done, and of how much.
            since: Check from this event on, or from this time on (a text or a datetime); what came
                before is taken as it is.
            anchors: What the log is known to have held; those of other loops are passed over.

        Raises:
            NotFound: The log does not go as far.

        """
        own = [anchor for anchor in anchors if anchor.loop == self.name]
        with closing(self.place.store.reader()) as reader:
            first = first_since(reader, since)
            run = None if self.place.folder is None else side_by_side(self.place.folder)
            found = verify(
                reader,
                self._learner,
                self.place.checkpoints,
                since=first,
                anchors=own,
                run=run,
                progress=progress,
            )
            return replace(found, loop=self.name)


def first_since(reader: Reader, since: int | Moment) -> int:
    """Return the seq of the first event from a seq or a time on."""
    if isinstance(since, int) and not isinstance(since, bool):
        return since
    return first_from(reader, microseconds(since))


def _seq(reader: Reader, time: Moment | None, seq: int | None) -> int:
    if time is not None and seq is not None:
        raise InvalidRequest("seq", "says a moment, and so does time: give one of them")
    return seq_at(reader, instant(time), seq)


def _side(reader: Reader, field: str, given: object) -> Side:
    if isinstance(given, int) and not isinstance(given, bool):
        return side_of(reader, version=given, seq=0)
    if isinstance(given, str) and _SEQ.fullmatch(given):
        return side_of(reader, seq=int(given[1:]))
    if isinstance(given, str | datetime):
        with suppress(InvalidRequest):
            at = microseconds(given)
            return side_of(reader, seq=seq_at(reader, at))
    raise InvalidRequest(
        field, "must be a version's number, @ and the seq of an event, such as @1000, or a time (ISO 8601)"
    )
