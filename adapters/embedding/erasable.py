"""What is to be erased, as callers say it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from loopledger.adapters.embedding.moments import Moment, microseconds
from loopledger.adapters.query import query
from loopledger.clock import Clock
from loopledger.deciding.request import listed_ids
from loopledger.errors import InvalidRequest
from loopledger.learning.selection import matching
from loopledger.log.erasing import Mark, marks_before, marks_of
from loopledger.log.journal import Reader

_AGE = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def erasable(
    clock: Clock, event_ids: object, older_than: Moment | timedelta | None, where: str | None
) -> Callable[[Reader], Iterator[Mark]]:
    """Return what finds in a log the events that are meant.

    Raises:
        InvalidRequest: Nothing, or more than one thing, is asked for, or it cannot be understood.

    """
    ids = listed_ids("event_ids", event_ids)
    if (bool(ids) + (older_than is not None) + (where is not None)) != 1:
        raise InvalidRequest("event_ids", "or older_than or where must be given, and only one of them")
    if older_than is not None:
        return partial(marks_before, at=_cut(clock, older_than))
    if where is not None:
        return partial(_matching, asked=query(where))
    return partial(marks_of, event_ids=ids)


def _matching(reader: Reader, asked: Callable[..., bool]) -> Iterator[Mark]:
    records = (reader.record(seq) for seq in matching(reader, asked))
    return marks_of(reader, [record.event_id for record in records if record and record.event_id])


def _cut(clock: Clock, older_than: Moment | timedelta) -> int:
    """Return the time that an age or a moment means, in microseconds since 1970."""
    now = int(clock.now())
    refusal = InvalidRequest("older_than", "must be an age such as 90d, or a time in the past (ISO 8601)")
    if isinstance(older_than, str):
        try:
            age = _AGE.fullmatch(older_than.strip())
            older_than = timedelta(seconds=int(age[1]) * _UNITS[age[2]]) if age else microseconds(older_than)
        except (InvalidRequest, OverflowError, ValueError):
            raise refusal from None
    if isinstance(older_than, timedelta):
        cut = now - older_than // timedelta(microseconds=1)
    else:
        try:
            cut = microseconds(older_than)
        except InvalidRequest:
            raise refusal from None
    if cut > now:
        raise refusal
    return cut
