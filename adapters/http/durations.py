"""Spans of time as the versions of the API write them: ``PT10M``, and ``00:10:00`` in v1.0."""

import re

from loopledger.adapters.http.versions import Version
from loopledger.errors import InvalidRequest

_ISO = re.compile(
    r"P(?:(?P<w>\d{1,6})W)?(?:(?P<d>\d{1,6})D)?"
    r"(?:T(?:(?P<h>\d{1,6})H)?(?:(?P<m>\d{1,8})M)?(?:(?P<s>\d{1,10}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"(?:(?P<d>\d{1,6})\.)?(?P<h>\d{1,3}):(?P<m>\d{2}):(?P<s>\d{2}(?:\.\d{1,9})?)", re.ASCII)
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_DAY, _HOUR, _MINUTE = 86_400_000, 3_600_000, 60_000


def seconds_of(field: str, text: str) -> float:
    """Return a span of time in seconds; both forms are understood in every version.

    Raises:
        InvalidRequest: It is neither.

    """
    text = text.strip()
    found = _ISO.fullmatch(text) or _CLOCK.fullmatch(text)
    parts = {unit: amount for unit, amount in found.groupdict().items() if amount} if found else {}
    if not parts:
        raise InvalidRequest(field, "must be a time span such as PT10M, P1D or 00:10:00")
    return sum(float(amount) * _SECONDS[unit] for unit, amount in parts.items())


def duration(version: Version, seconds: float) -> str:
    """Return a span of time as a version writes it, to the millisecond."""
    days, rest = divmod(round(seconds * 1000), _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    if version is Version.V1_0:
        whole, thousandths = divmod(rest, 1000)
        fraction = f".{thousandths:03d}" if thousandths else ""
        return f"{f'{days}.' if days else ''}{hours:02d}:{minutes:02d}:{whole:02d}{fraction}"
    dated = f"{days}D" if days else ""
    clocked = "".join(
        f"{amount:g}{unit}" for amount, unit in ((hours, "H"), (minutes, "M"), (rest / 1000, "S")) if amount
    )
    if clocked:
        return f"P{dated}T{clocked}"
    return f"P{dated}" if dated else "PT0S"
