"""Moments as people say them, and as logs have them."""

from datetime import UTC, datetime, timedelta

from loopledger.errors import InvalidRequest

Moment = datetime | str | int
"""A time: a datetime (UTC if it names no zone), ISO 8601 text, or microseconds since 1970."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SMALLEST = 10**14
"""Microseconds since 1970 are at least so many since March 1973; seconds and milliseconds are fewer."""


def microseconds(moment: Moment) -> int:
    """Return a time in microseconds since 1970.

    Raises:
        InvalidRequest: It is no time, its text is not ISO 8601, or it is a number that must be meant
            otherwise, such as seconds.

    """
    if isinstance(moment, int) and not isinstance(moment, bool):
        if 0 < abs(moment) < _SMALLEST:
            raise InvalidRequest(
                "time",
                "must be a datetime, ISO 8601 text or microseconds since 1970; so small a number is none of "
                "these (seconds, perhaps, or the seq of an event?)",
            )
        return moment
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise InvalidRequest(
                "time", "must be ISO 8601, such as 2026-11-21T20:30:00Z or 2026-11-21"
            ) from None
    if not isinstance(moment, datetime):
        raise InvalidRequest(
            "time",
            f"must be a datetime, ISO 8601 text or microseconds since 1970 (got {type(moment).__name__})",
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def text(at: int) -> str:
    """Return a time as ISO 8601 text in UTC."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(moment: Moment | None) -> int | None:
    """Return a time in microseconds since 1970, if there is one."""
    return None if moment is None else microseconds(moment)


def stretch(since: Moment | None, until: Moment | None) -> tuple[int | None, int | None]:
    """Return where a stretch of time begins and ends, in microseconds since 1970, as far as it does.

    Raises:
        InvalidRequest: One is no time, or the end comes before the beginning.

    """
    first, last = instant(since), instant(until)
    check_order(first, last)
    return first, last


def check_order(first: int | None, last: int | None) -> None:
    """Refuse a stretch, of times or of events, that ends before it begins.

    Raises:
        InvalidRequest: It does.

    """
    if first is not None and last is not None and last < first:
        raise InvalidRequest("since", "comes after until, so that there is nothing in between: swap them")
