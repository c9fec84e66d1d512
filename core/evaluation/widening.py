"""Keeping reports small: stretches of time are made wider until there are not too many of them."""

from msgspec.structs import replace

from loopledger.clock import SECOND
from loopledger.evaluation.report import Evaluation, Point, Sums
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
    while max((_count(policy.over_time, width) for policy in report.policies), default=0) > most:
        width = next((wider for wider in _WIDTHS if wider > width and wider % width == 0), 2 * width)
    if width == report.minute_width:
        return report
    policies = tuple([replace(one, over_time=_together(one.over_time, width)) for one in report.policies])
    return replace(report, minute_width=width, policies=policies)


def added(first: Sums, second: Sums) -> Sums:
    """Return the sums over the cases of both."""
    return Sums(
        cases=first.cases + second.cases,
        supported=first.supported + second.supported,
        reward=first.reward + second.reward,
        weight=first.weight + second.weight,
        weight_squares=first.weight_squares + second.weight_squares,
        weighted_reward=first.weighted_reward + second.weighted_reward,
        weighted_reward_squares=first.weighted_reward_squares + second.weighted_reward_squares,
        weight_reward=first.weight_reward + second.weight_reward,
        robust=first.robust + second.robust,
        robust_squares=first.robust_squares + second.robust_squares,
        largest_weight=max(first.largest_weight, second.largest_weight),
    )


def _begin(point: Point, width: int) -> int:
    stretch = width * 60 * SECOND
    return point.at // stretch * stretch


def _count(points: tuple[Point, ...], width: int) -> int:
    return len({_begin(point, width) for point in points})


def _together(points: tuple[Point, ...], width: int) -> tuple[Point, ...]:
    found: dict[int, Sums] = {}
    for point in points:
        begin = _begin(point, width)
        found[begin] = added(found[begin], point.sums) if begin in found else point.sums
    return tuple([Point(at, found[at]) for at in sorted(found)])
