"""Windows: average reward over time, in stretches of five minutes to a day, expanding or rolling."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from loopledger.errors import InvalidRequest
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.estimators import cressie_read
from loopledger.evaluation.intervals import interval
from loopledger.evaluation.merging import merged, together
from loopledger.evaluation.report import Bounds, Point, Sums

WIDTHS = (5, 60, 360, 720, 1440)
"""The widths that Personalizer knows, in minutes."""

Kind = Literal["expanding", "rolling"]


class Window(NamedTuple):
    """What a policy would have earned on average up to, or in, a stretch of time.

    Attributes:
        at: When the stretch begins, UTC in microseconds since 1970.
        average_reward: The interval-optimal estimate.
        interval: Its 95 % interval.
        sums: What it was computed from.

    """

    at: int
    average_reward: float
    interval: Bounds
    sums: Sums


def windows(
    points: Sequence[Point], declared: Declared, *, minutes: int = 5, kind: Kind = "expanding"
) -> tuple[Window, ...]:
    """Return the estimates over time, for each stretch that holds cases.

    Args:
        points: In order, as a tally counted them.
        declared: The ranges that intervals are computed for.
        minutes: How wide a stretch is: one of `WIDTHS`.
        kind: expanding: everything up to the stretch's end; rolling: the stretch alone.

    Raises:
        InvalidRequest: There is no such width or kind.

    """
    if minutes not in WIDTHS:
        raise InvalidRequest("minutes", "must be one of 5, 60, 360, 720 and 1440.")
    if kind not in {"expanding", "rolling"}:
        raise InvalidRequest("kind", "must be expanding or rolling.")
    stretches = together(points, minutes)
    return tuple(_windows(stretches if kind == "rolling" else _expanding(stretches), declared))


def _expanding(points: Sequence[Point]) -> Iterator[Point]:
    total = Sums()
    for point in points:
        total = merged((total, point.sums))
        yield Point(point.at, total)


def _windows(points: Sequence[Point] | Iterator[Point], declared: Declared) -> Iterator[Window]:
    for at, sums in ((point.at, point.sums) for point in points):
        yield Window(at, cressie_read(sums, declared), interval(sums, declared), sums)
