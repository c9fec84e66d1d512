"""What evaluations come to, in the shapes of Personalizer's versions until preview.3: sums of stretches."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, UnsetType

from loopledger.adapters.embedding.moments import text
from loopledger.adapters.http.durations import duration
from loopledger.adapters.http.versions import Version
from loopledger.evaluation.estimators import personalizer_summary
from loopledger.evaluation.report import Evaluation, FeatureImportance, Judged, Source, Sums

_MINUTE = 60.0
_SOURCES: dict[Source, str] = {"Version": "Custom"}


class PolicyResultSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Sums of one stretch of time, or of all.

    `averageReward` is `ipsEstimatorNumerator` / `ipsEstimatorDenominator`; `confidenceInterval` is half
    the width of its 95 % interval: 1.96·√((sumOfSquares - N·mean²) / (N - 1) / N).
    """

    time_stamp: str
    ips_estimator_numerator: float
    ips_estimator_denominator: float
    snips_estimator_denominator: float
    aggregate_time_window: str
    non_zero_probability: float
    sum_of_squares: float
    confidence_interval: float
    average_reward: float | UnsetType = UNSET


class PolicyResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A policy with what it would have earned; without sums if it could not be judged."""

    name: str
    arguments: str
    policy_source: str | UnsetType = UNSET
    summary: list[PolicyResultSummary]
    total_summary: PolicyResultSummary | UnsetType = UNSET


def policy_results(report: Evaluation, version: Version, since: int, until: int) -> list[PolicyResult]:
    """Return the results of an evaluation.

    Args:
        report: The evaluation.
        version: The caller's.
        since: When its range begins, UTC in microseconds since 1970.
        until: When it ends.

    """
    return [_result(report, policy, version, since, until) for policy in report.policies]


def policy_source(policy: Judged) -> str:
    """Return where a policy comes from, in Personalizer's words."""
    return _SOURCES.get(policy.source, policy.source)


def important_features(importance: FeatureImportance) -> list[list[str]]:
    """Return features by importance, the most important first; what matters alike stands together."""
    groups: dict[int, list[str]] = {}
    for score in importance.features:
        groups.setdefault(round(score.score), []).append(f"{score.namespace}.{score.feature}")
    return [groups[score] for score in sorted(groups, reverse=True)]


def _result(report: Evaluation, policy: Judged, version: Version, since: int, until: int) -> PolicyResult:
    later = version >= Version.PREVIEW_1
    result = PolicyResult(
        name=policy.name,
        arguments=policy.arguments,
        policy_source=policy_source(policy) if later else UNSET,
        summary=[],
    )
    if policy.failed is not None:
        return result
    width = report.minute_width * _MINUTE
    total = policy.overall.sums
    return msgspec.structs.replace(
        result,
        summary=list(_summaries(policy, version, width)),
        total_summary=_summary(total, version, until, (until - since) / 1_000_000),
    )


def _summaries(policy: Judged, version: Version, width: float) -> Iterator[PolicyResultSummary]:
    for point in policy.over_time:
        yield _summary(point.sums, version, point.at, width)


def _summary(sums: Sums, version: Version, at: int, seconds: float) -> PolicyResultSummary:
    figures = personalizer_summary(sums)
    return PolicyResultSummary(
        time_stamp=text(at),
        ips_estimator_numerator=figures["ipsEstimatorNumerator"],
        ips_estimator_denominator=figures["ipsEstimatorDenominator"],
        snips_estimator_denominator=figures["snipsEstimatorDenominator"],
        aggregate_time_window=duration(version, seconds),
        non_zero_probability=figures["nonZeroProbability"],
        sum_of_squares=figures["sumOfSquares"],
        confidence_interval=figures["confidenceInterval"],
        average_reward=figures["averageReward"] if version >= Version.PREVIEW_1 else UNSET,
    )
