"""Erasing: bodies that are gone for good, and the models that are kept in the log because of it.

The bodies of decisions, rewards and activations can be erased. The chain still holds, since it is
made of their hashes. What a model version learned from cannot be read any more, so the model's
bytes become part of the log first.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from loopledger.errors import NotFound
from loopledger.learning.joining import EARLY
from loopledger.log.chain import Record
from loopledger.log.events import DECISIONS, TRAFFIC, Run
from loopledger.log.journal import Reader

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
