"""What of a log is handed to other programs: which decisions, and how they are counted."""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from loopledger.learning.joining import Joined, all_traced, join
from loopledger.learning.training import Progress, closed_until, without
from loopledger.log.events import DECISIONS
from loopledger.log.journal import Reader
from loopledger.state import State

Format = Literal["dsjson", "csv", "parquet", "events"]

_REPORT_EVERY = 500


class Export(msgspec.Struct, frozen=True):
    """What was written.

    Attributes:
        file: To which file; none if it went elsewhere.
        format: In which form.
        rows: How many lines or rows, a table's heading not among them.
        first: Seq of the first decision, or event, that was written; none if none was.
        last: Seq of the last.
        left_out: How many decisions were left out because rewards may still come for them, or
            for one before them.

    """

    file: str | None
    format: Format
    rows: int
    first: int | None
    last: int | None
    left_out: int


class Extent(NamedTuple):
    """Which decisions to export: the first and the last seq, and how many after that are left out."""

    first: int
    last: int
    left_out: int


def extent(reader: Reader, state: State, now: int, first: int, last: int, *, include_open: bool) -> Extent:
    """Return which decisions can be exported.

    Like training it stops at the first decision whose reward window is open: whoever goes on from
    there later misses none.

    Args:
        reader: Of the log.
        state: Of the loop, at the log's end.
        now: The time that no later event will be dated before.
        first: Begin with this seq.
        last: End with this seq.
        include_open: Whether to take decisions for which rewards may still come.

    """
    last = min(last, state.seq)
    if include_open:
        return Extent(first, last, 0)
    closed = min(closed_until(state, reader, now), last)
    after = max(closed, first - 1)
    return Extent(first, closed, count_decisions(reader, after, last))


def joined_decisions(
    reader: Reader, state: State, wanted: Extent, progress: Progress | None = None
) -> Iterator[Joined]:
    """Yield decisions with what came for them, in log order, apart from what is erased.

    Args:
        reader: Of the log.
        state: Of the loop, which knows what is left out of learning.
        wanted: Which decisions.
        progress: Is told how many are done, and of how many.

    """
    total = count_decisions(reader, wanted.first - 1, wanted.last)
    left_out = without(reader, state.left_out)
    for traced in told(all_traced(reader, wanted.first, wanted.last), total, progress):
        joined = join(traced)
        yield replace(joined, skipped="left out") if traced.seq in left_out else joined


class _Placed(Protocol):
    @property
    def seq(self) -> int: ...


_Item = TypeVar("_Item", bound=_Placed)


def told(items: Iterable[_Item], total: int, progress: Progress | None) -> Iterator[_Item]:
    """Yield items, and tell now and then how many have been, and of how many."""
    for number, item in enumerate(items, start=1):
        yield item
        if progress and number % _REPORT_EVERY == 0:
            progress(number, total)


class Tally:
    """Counts what goes past.

    Attributes:
        rows: How many.
        first: Seq of the first, if any.
        last: Seq of the last.

    """

    def __init__(self) -> None:
        self.rows = 0
        self.first: int | None = None
        self.last: int | None = None

    def over(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items."""
        for item in items:
            self.rows += 1
            self.last = item.seq
            if self.first is None:
                self.first = item.seq
            yield item


def count_decisions(reader: Reader, after: int, until: int) -> int:
    """Return how many decisions come after one seq and up to another, erased ones among them."""
    if after >= until:
        return 0
    spans = [reader.span(kind, after, until, until) for kind in DECISIONS]
    return sum(span.decisions for span in spans if span is not None)
