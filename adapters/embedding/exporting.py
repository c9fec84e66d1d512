"""Exporting a loop: from what somebody asks for to a file or a stream."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import datetime
from io import TextIOBase
from pathlib import Path
from typing import BinaryIO, NamedTuple, get_args

from loopledger.adapters.embedding.moments import Moment, check_order, microseconds, stretch
from loopledger.adapters.export.lines import write_csv, write_dsjson, write_events
from loopledger.adapters.export.parquet import check_parquet, write_parquet
from loopledger.adapters.export.target import whole_file
from loopledger.adapters.place import Place
from loopledger.clock import Clock
from loopledger.errors import InvalidRequest, NotFound
from loopledger.exchange.export import Export, Extent, Format, Tally, extent, joined_decisions, told
from loopledger.exchange.table import rows
from loopledger.learning.checkpoints import recover
from loopledger.learning.replay import first_from
from loopledger.learning.training import Progress
from loopledger.log.journal import Reader
from loopledger.state import State

Bound = Moment | None
"""Where an export begins or ends: the seq of an event (a whole number), or a time (text or datetime)."""

FORMATS: tuple[Format, ...] = get_args(Format)


class Wanted(NamedTuple):
    """What somebody wants to export."""

    format: Format
    since: Bound
    until: Bound
    include_open: bool


def export(
    place: Place, clock: Clock, wanted: Wanted, out: object, *, force: bool, progress: Progress | None
) -> Export:
    """Write a part of a log to a file or a stream.

    Args:
        place: Where the loop is kept.
        clock: Tells the time at which windows are open or closed.
        wanted: Which part, and how.
        out: A file's name, or a binary stream.
        force: Whether to replace a file of that name.
        progress: Is told of decisions or events written, and of how many.

    Raises:
        InvalidRequest: Names the argument that cannot be used.
        Conflict: There is a file of that name.

    """
    if wanted.format not in FORMATS:
        raise InvalidRequest("format", f"must be one of {', '.join(FORMATS)}")
    if wanted.format == "parquet":
        check_parquet()
    with closing(place.store.reader()) as reader:
        state = recover(reader, place.checkpoints)
        if state is None:
            raise NotFound("the log is empty: the loop was never created")
        within = between(reader, state, wanted.since, wanted.until)
        now = max(state.at, int(clock.now()))
        if wanted.format != "events":
            within = extent(reader, state, now, within.first, within.last, include_open=wanted.include_open)
        with _opened(out, force=force) as (file, name):
            tally = _write(file, reader, state, wanted.format, within, now, progress)
    return Export(name, wanted.format, tally.rows, tally.first, tally.last, within.left_out)


def _write(
    file: BinaryIO,
    reader: Reader,
    state: State,
    how: Format,
    within: Extent,
    now: int,
    progress: Progress | None,
) -> Tally:
    tally = Tally()
    if how == "events":
        records = told(reader.records(within.first, within.last), within.last - within.first + 1, progress)
        write_events(file, tally.over(records))
        return tally
    decisions = joined_decisions(reader, state, within, progress)
    if how == "dsjson":
        write_dsjson(file, tally.over(decisions))
    elif how == "csv":
        write_csv(file, tally.over(rows(decisions, now)))
    else:
        write_parquet(file, tally.over(rows(decisions, now)))
    return tally


def between(reader: Reader, state: State, since: Bound, until: Bound) -> Extent:
    """Return the seqs between which somebody wants to read; what comes while it is read is not among them.

    Raises:
        InvalidRequest: One of them is neither a seq nor a time.

    """
    _check_order(since, until)
    first = _seq("since", since)
    if first is None:
        first = 1 if since is None else first_from(reader, microseconds(since))
    last = _seq("until", until)
    if last is None:
        last = state.seq if until is None else reader.last_until(microseconds(until))
    return Extent(max(first, 1), min(last, state.seq), 0)


def _check_order(since: Bound, until: Bound) -> None:
    """Refuse two seqs, or two times, of which the second one comes before the first."""
    first, last = _seq("since", since), _seq("until", until)
    if first is None and last is None:
        stretch(since, until)
    check_order(first, last)


def _seq(field: str, bound: object) -> int | None:
    if isinstance(bound, int) and not isinstance(bound, bool):
        return bound
    if bound is None or isinstance(bound, str | datetime):
        return None
    raise InvalidRequest(
        field, f"must be the seq of an event, a text or a datetime (got {type(bound).__name__})"
    )


@contextmanager
def _opened(out: object, *, force: bool) -> Generator[tuple[BinaryIO, str | None]]:
    """Yield what to write to, and its name if it has one."""
    if isinstance(out, str | Path):
        with whole_file(Path(out), force=force) as file:
            yield file, str(out)
    elif hasattr(out, "write") and not isinstance(out, TextIOBase):
        yield out, None  # type: ignore[misc]
    else:
        raise InvalidRequest("out", f"must be a file's name or a binary stream (got {type(out).__name__})")
