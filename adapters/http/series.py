"""What evaluations come to, in the shape of Personalizer's last version: expected rewards over time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.results import policy_source
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.merging import merged
from loopledger.evaluation.report import Evaluation, Judged, Point

_MINUTE = 60_000_000


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """An average reward, and the lower and upper end of its 95 % interval."""

    expected_reward: float
    confidence_interval: tuple[float, float]


class Data(msgspec.Struct, frozen=True, rename="camel"):
    """The same in one stretch of time, or until its end."""

    time_stamp: str
    expected_reward: float
    confidence_interval: tuple[float, float]


class TimeSeries(msgspec.Struct, frozen=True):
    """Stretches of time that hold decisions, in order."""

    data: list[Data]


class SlotPolicyResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a policy would have earned, overall or in one slot; without figures if it could not be judged."""

    name: str
    slot_id: str | UnsetType = UNSET
    arguments: str
    policy_source: str
    summary: Summary | UnsetType = UNSET
    timeseries: TimeSeries | UnsetType = UNSET


class EvaluationResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The results between two times."""

    start_time: str
    end_time: str
    interval_in_minutes: int
    value: list[SlotPolicyResult]


class View(NamedTuple):
    """How somebody wants to see an evaluation.

    Attributes:
        since: From this time on, UTC in microseconds since 1970.
        until: To this one.
        minutes: How wide a stretch of time is.
        kind: Whether a figure is of one stretch, or of everything until its end.

    """

    since: int
    until: int
    minutes: int
    kind: Literal["expanding", "rolling"]


def evaluation_result(report: Evaluation, view: View) -> EvaluationResult:
    """Return the results of an evaluation between two times; where there are none, it has no figures."""
    return EvaluationResult(
        start_time=text(view.since),
        end_time=text(view.until),
        interval_in_minutes=max(view.minutes, report.minute_width),
        value=[result for policy in report.policies for result in _results(report, policy, view)],
    )


def _results(report: Evaluation, policy: Judged, view: View) -> Iterator[SlotPolicyResult]:
    declared = Declared(report.minimum_probability, report.reward_range)
    result = SlotPolicyResult(
        name=policy.name, arguments=policy.arguments, policy_source=policy_source(policy)
    )
    if policy.failed is not None:
        yield result
        return
    within = _within(report, view)
    yield _with_figures(result, within(policy.over_time), declared, view)
    for place, slot in enumerate(policy.slots):
        named = msgspec.structs.replace(result, slot_id=slot.slot)
        yield _with_figures(named, within(slot.over_time), declared.at_slot(place), view)


def _within(report: Evaluation, view: View) -> Callable[[Sequence[Point]], list[Point]]:
    """Return what picks the stretches that lie between the two times, at least in part."""
    width = report.minute_width * _MINUTE
    return lambda points: [
        point for point in points if point.at + width > view.since and point.at <= view.until
    ]


def _with_figures(
    result: SlotPolicyResult, points: Sequence[Point], declared: Declared, view: View
) -> SlotPolicyResult:
    from loopledger.evaluation.windows import windows  # noqa: PLC0415 - an extra

    if not points:
        return result
    # All of it is one stretch that expands to its end; both come out of the same computation.
    whole = [Point(points[0].at, merged(point.sums for point in points))]
    (overall,) = windows(whole, declared)
    series = windows(points, declared, minutes=view.minutes, kind=view.kind)
    return msgspec.structs.replace(
        result,
        summary=Summary(overall.average_reward, overall.interval),
        timeseries=TimeSeries(
            [Data(text(window.at), window.average_reward, window.interval) for window in series]
        ),
    )
