"""What somebody wants to read of a log."""

from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from loopledger.adapters.place import Place
from loopledger.deciding.request import ANY_ID, check_id, whole_number
from loopledger.errors import InvalidRequest
from loopledger.learning.replay import first_from
from loopledger.log.events import KINDS
from loopledger.log.whole import check_whole


class Excerpt(NamedTuple):
    """What somebody wants to read of a log."""

    first: int
    last: int | None
    kinds: tuple[str, ...] | None
    event_id: str | None


def excerpt(first: object, last: object, kinds: object, event_id: object) -> Excerpt:
    """Return what somebody wants to read of a log, checked.

    Raises:
        InvalidRequest: There cannot be such events.

    """
    if kinds is not None:
        if isinstance(kinds, str | bytes) or not isinstance(kinds, Iterable):
            raise InvalidRequest("kinds", f"must be a list of kinds (got {type(kinds).__name__})")
        kinds = tuple(kinds)
        if not all(isinstance(kind, str) and kind in KINDS for kind in kinds):
            raise InvalidRequest("kinds", f"must be among {', '.join(KINDS)}")
    if event_id is not None:
        event_id = check_id("event_id", event_id, ANY_ID)
    return Excerpt(
        whole_number("first", first), None if last is None else whole_number("last", last), kinds, event_id
    )


def check_readable(place: Place, wanted: Excerpt) -> None:
    """Refuse a log of which something is missing, before an excerpt is read.

    Raises:
        LogDamaged: Says what is missing.

    """
    with closing(place.store.reader()) as reader:
        check_whole(reader, kinds=wanted.kinds is not None)


def within(place: Place, wanted: Excerpt, since: int | None, until: int | None) -> Excerpt:
    """Return an excerpt without what lies outside two times, in microseconds since 1970."""
    with closing(place.store.reader()) as reader:
        first = wanted.first if since is None else max(wanted.first, first_from(reader, since))
        ends = [wanted.last, None if until is None else reader.last_until(until)]
    last = min((end for end in ends if end is not None), default=None)
    return wanted._replace(first=first, last=last)
