"""Figures and times in the words of the report."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from loopledger.evaluation.report import Bounds, Evaluation, Judged

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DECIMALS = 6
DASH = "\N{EN DASH}"
PERCENT = "\N{NO-BREAK SPACE}%"

SOURCES = {
    "Online": "what decided, as it really was",
    "Baseline": "the caller's own choice, always",
    "Random": "all actions equally often",
    "Custom": "a policy that was asked about",
    "OfflineExperimentation": "a policy that was searched for",
    "Version": "a fixed model version",
}


class Figures:
    """Writes rewards with as many decimals as their intervals tell apart.

    Args:
        intervals: Of what will be written.

    """

    def __init__(self, intervals: Iterable[Bounds]) -> None:
        widths = [high - low for low, high in intervals if math.isfinite(high - low) and high > low]
        finest = min(widths, default=0.01)
        self.decimals = min(_MOST_DECIMALS, max(2, 1 - math.floor(math.log10(finest))))

    def reward(self, value: float | None) -> str:
        """Return a reward, or a dash where there is none."""
        if value is None or not math.isfinite(value):
            return DASH
        return _minus(f"{value:.{self.decimals}f}")

    def signed(self, value: float) -> str:
        """Return a difference with its sign."""
        return _minus(f"{value:+.{self.decimals}f}")

    def span(self, bounds: Bounds) -> str:
        """Return an interval."""
        return f"{self.reward(bounds[0])} to {self.reward(bounds[1])}"


def share(part: float) -> str:
    """Return a share in percent, with enough decimals for a small one."""
    percent = 100 * part
    if percent and abs(percent) < 1:
        return f"{percent:.1g}{PERCENT}" if abs(percent) >= 0.001 else f"below 0.001{PERCENT}"  # noqa: PLR2004
    return f"{percent:.0f}{PERCENT}"


def against(judged: Judged, online: Judged) -> str | None:
    """Return a policy's reward in percent of Online's, such as “+12 %”; none where that says nothing."""
    base = online.overall.average_reward
    if base <= 0 or judged.verdict is None:
        return None
    percent = 100 * judged.verdict.difference / base
    shown = f"{percent:+.1f}" if abs(percent) < 10 else f"{percent:+.0f}"  # noqa: PLR2004 - where one digit is little
    return _minus(shown) + PERCENT


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def day(at: int) -> str:
    """Return a date, such as “3 Nov 2026”, in UTC."""
    when = _EPOCH + timedelta(microseconds=at)
    return f"{when.day} {when:%b %Y}"


def moment(at: int) -> str:
    """Return a date and a time to the minute, in UTC."""
    when = _EPOCH + timedelta(microseconds=at)
    return f"{day(at)}, {when:%H:%M} UTC"


def ends(since: int, until: int) -> tuple[str, str]:
    """Return the ends of a picture's time: dates, or times of day where both are on one."""
    first, last = day(since), day(until)
    if first != last:
        return first, last
    hours = [f"{_EPOCH + timedelta(microseconds=at):%H:%M}" for at in (since, until)]
    return f"{first}, {hours[0]}", f"{hours[1]} UTC"


def stretch(evaluation: Evaluation) -> str:
    """Return the range that was judged."""
    since, until = day(evaluation.since), day(evaluation.until)
    return f"on {since}" if since == until else f"from {since} to {until}"


def counted(count: int, what: str) -> str:
    """Return a number of things, such as “1 decision” or “1,200 decisions”."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def minutes(width: int) -> str:
    """Return a width in minutes as people say it."""
    for whole, what in ((1440, "day"), (60, "hour")):
        if width % whole == 0:
            return counted(width // whole, what)
    return counted(width, "minute")
