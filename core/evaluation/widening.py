"""Keeping reports small: stretches of time are made wider until there are not too many of them."""

from collections.abc import Iterator

from msgspec.structs import replace

from loopledger.clock import SECOND
from loopledger.evaluation.merging import together
from loopledger.evaluation.report import Evaluation, Judged, Point
from loopledger.log.evaluation_events import Report

MOST_POINTS = 2_000
"""The most stretches of time that the log keeps for a policy: a week of the finest, five minutes each."""

_WIDTHS = (5, 60, 360, 720, 1440)
"""Minutes of the stretches that Personalizer knows; beyond them come two days, four, and so on."""


def widened(report: Report, most: int = MOST_POINTS) -> Report:
    """Return a report with stretches of time so wide that no policy has more than `most` of them.

    Sums add up, so nothing else in it changes.
    """
    if not isinstance(report, Evaluation):
        return report
    width = report.minute_width
    series = [points for policy in report.policies for points in _series(policy)]
    while max((_count(points, width) for points in series), default=0) > most:
        width = next((wider for wider in _WIDTHS if wider > width and wider % width == 0), 2 * width)
    if width == report.minute_width:
        return report
    policies = tuple([_widened(policy, width) for policy in report.policies])
    return replace(report, minute_width=width, policies=policies)


def _series(policy: Judged) -> Iterator[tuple[Point, ...]]:
    yield policy.over_time
    for slot in policy.slots:
        yield slot.over_time


def _widened(policy: Judged, width: int) -> Judged:
    slots = tuple([replace(slot, over_time=together(slot.over_time, width)) for slot in policy.slots])
    return replace(policy, over_time=together(policy.over_time, width), slots=slots)


def _begin(point: Point, width: int) -> int:
    stretch = width * 60 * SECOND
    return point.at // stretch * stretch


def _count(points: tuple[Point, ...], width: int) -> int:
    return len({_begin(point, width) for point in points})
