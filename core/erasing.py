"""Erasing: bodies that are gone for good, and the models that are kept in the log because of it.

The bodies of decisions, rewards and activations can be erased. The chain still holds, since it is
made of their hashes. What a model version learned from cannot be read any more, so the model's
bytes become part of the log first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from loopledger.chain import Record
from loopledger.errors import LogDamaged, NotFound
from loopledger.events import DECISIONS, TRAFFIC, VERSIONS, Erased, ModelKept, ModelTrained, Run, decode
from loopledger.joining import EARLY
from loopledger.journal import Reader

_PAGE = 500


Place = tuple[str, int]
"""A decision's kind and seq."""


class Mark(NamedTuple):
    """A decision, reward or activation, in log order, and whether its body is to be erased.

    Attributes:
        seq: Its place in the log.
        kind: What it is.
        chosen: Whether its body is to be erased.
        of: The decision that it belongs to, itself if it is one; none if there is none that
            teaches anything.

    """

    seq: int
    kind: str
    chosen: bool
    of: Place | None = None


class Portion(NamedTuple):
    """What is erased in one transaction.

    Attributes:
        runs: First and last seqs of stretches in which everything that can be erased is.
        events: How many bodies that are.
        decisions: How many decisions are among them.
        touched: Seqs of the decisions that teach something else without these bodies, by kind, in
            order: themselves, and those whose rewards came before them and are erased first.

    """

    runs: tuple[Run, ...]
    events: int
    decisions: int
    touched: dict[str, list[int]]


def marks_of(reader: Reader, event_ids: Iterable[str]) -> Iterator[Mark]:
    """Yield marks for everything that was logged under some event ids.

    Raises:
        NotFound: Names an id under which nothing was logged.

    """
    found: dict[int, tuple[str, Place | None]] = {}
    for event_id in event_ids:
        records = [record for record in reader.records(event_id=event_id) if record.kind in TRAFFIC]
        if not records:
            raise NotFound(f"nothing was logged under the event id {event_id!r}")
        of = next((_place(record) for record in records if record.kind in DECISIONS), None)
        found |= {record.seq: (record.kind, of) for record in records if not record.erased}
    before = 0
    for seq, (kind, of) in sorted(found.items()):
        if seq != before + 1:
            yield Mark(before + 1, "", chosen=False)
        yield Mark(seq, kind, chosen=True, of=of)
        before = seq


def marks_before(reader: Reader, at: int) -> Iterator[Mark]:
    """Yield marks for all decisions before a time, and what came for them before it.

    A reward that came for no decision is chosen too, if none can come for it any more.

    Args:
        reader: Of the log.
        at: UTC in microseconds since 1970.

    """
    last = reader.last_until(at - 1)
    page: list[Record] = []
    for record in reader.records(last=last):
        if record.kind in TRAFFIC and not record.erased:
            page.append(record)
        if len(page) == _PAGE:
            yield from _marked(reader, page, last, at)
            page = []
    yield from _marked(reader, page, last, at)


def _marked(reader: Reader, page: Sequence[Record], last: int, at: int) -> Iterator[Mark]:
    names = {record.event_id for record in page if record.kind not in DECISIONS and record.event_id}
    decisions = reader.decisions(sorted(names)) if names else {}
    for record in page:
        decision = record if record.kind in DECISIONS else decisions.get(record.event_id or "")
        chosen = record.at < at - EARLY if decision is None else decision.seq <= last
        yield Mark(record.seq, record.kind, chosen, None if decision is None else _place(decision))


def _place(decision: Record) -> Place | None:
    return None if decision.erased else (decision.kind, decision.seq)


def portions(marks: Iterable[Mark], most: int) -> Iterator[Portion]:
    """Cut what is to be erased into portions of at most so many bodies."""
    runs: list[Run] = []
    touched: set[Place] = set()
    events = decisions = 0
    going_on = False
    for seq, kind, chosen, of in marks:
        if chosen:
            if going_on:
                runs[-1] = runs[-1][0], seq
            else:
                runs.append((seq, seq))
            events += 1
            decisions += kind in DECISIONS
            if of is not None:
                touched.add(of)
        going_on = chosen
        if events == most:
            yield Portion(tuple(runs), events, decisions, _by_kind(touched))
            runs, events, decisions, touched, going_on = [], 0, 0, set(), False
    if events:
        yield Portion(tuple(runs), events, decisions, _by_kind(touched))


def _by_kind(touched: set[Place]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {kind: [] for kind in DECISIONS}
    for kind, seq in sorted(touched):
        found[kind].append(seq)
    return found


class Remains:
    """The versions that cannot be learned again, because what they learned from is erased.

    Args:
        reader: Of the log.

    Attributes:
        kept: Those whose bytes are kept in the log.
        lost: Those whose bytes are not.

    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._seqs: dict[int, int] = {}
        self.lost: set[int] = set()
        for record in reader.records(kinds=("Erased",)):
            event = decode(record.body, record.seq)
            if isinstance(event, Erased):
                first = record.seq - len(event.kept)
                self._seqs |= {version: first + place for place, version in enumerate(event.kept)}
                self.lost |= set(event.lost)
        self.kept = frozenset(self._seqs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remains) and (self.kept, self.lost) == (other.kept, other.lost)

    __hash__ = None  # type: ignore[assignment]

    def within_reach(self, version: int) -> bool:
        """Tell whether a version can be made from what the log holds: nothing on the way is lost."""
        while version and version not in self.kept:
            if version in self.lost:
                return False
            record = self._reader.nth(VERSIONS, version)
            event = decode(record.body, record.seq) if record is not None else None
            version = event.parent if isinstance(event, ModelTrained) else 0
        return True

    def model(self, version: int) -> bytes:
        """Return the bytes of a version that is kept in the log.

        Raises:
            LogDamaged: The event that should hold them does not.

        """
        seq = self._seqs[version]
        record = self._reader.record(seq)
        event = decode(record.body, seq) if record is not None else None
        if not isinstance(event, ModelKept) or event.version != version:
            raise LogDamaged(f"event {seq} should hold the bytes of version {version}, and does not", seq)
        return event.model


def unkept(reader: Reader) -> Iterator[ModelTrained]:
    """Yield the versions that were trained here and whose bytes are not in the log, in order."""
    remains = Remains(reader)
    for record in reader.records(kinds=("ModelTrained",)):
        event = decode(record.body, record.seq)
        if isinstance(event, ModelTrained) and event.version not in remains.kept | remains.lost:
            yield event


def versions_of(reader: Reader, touched: dict[str, list[int]]) -> list[int]:
    """Return the versions whose own steps cover some decisions, and whose bytes are not in the log yet."""
    found: list[int] = []
    for event in unkept(reader):
        if event.first is not None and event.last is not None:
            seqs = touched[event.policy.decision_kind]
            if bisect_left(seqs, event.first) < bisect_right(seqs, event.last):
                found.append(event.version)
    return found


class Gone:
    """Where the bodies are erased, as the log's own events say.

    Args:
        reader: Of the log.

    """

    def __init__(self, reader: Reader) -> None:
        runs: list[Run] = []
        for record in reader.records(kinds=("Erased",)):
            event = decode(record.body, record.seq)
            if isinstance(event, Erased):
                runs += event.runs
        runs.sort()
        self._firsts = [first for first, _ in runs]
        self._lasts: list[int] = []
        for _, last in runs:
            self._lasts.append(max(last, self._lasts[-1]) if self._lasts else last)

    def covers(self, record: Record) -> bool:
        """Tell whether an event's body should be gone."""
        place = bisect_right(self._firsts, record.seq)
        return place > 0 and self._lasts[place - 1] >= record.seq and record.kind in TRAFFIC
