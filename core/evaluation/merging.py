"""Merging: sums become one, and stretches of time wider. Numpy is not needed for it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from loopledger.evaluation.report import Point, Sums

_MINUTE = 60_000_000
_ROUNDING = 1e-6
_MOST_IMITATED = 0.01
_EXTREMES: dict[str, Callable[[Any, Any], Any]] = {
    "largest_weight": max,
    "least_propensity": min,
    "most_slots": max,
}


def merged(parts: Iterable[Sums]) -> Sums:
    """Return the sums of all parts together."""
    total = Sums()
    for part in parts:
        total = Sums(
            **{
                field: _EXTREMES.get(field, _plus)(getattr(total, field), getattr(part, field))
                for field in Sums.__struct_fields__
            }
        )
    return total


def alike(sums: Sums) -> bool:
    """Return whether the policy decides every case as was decided: all weights are 1, but for rounding."""
    return sums.largest_weight <= 1 + _ROUNDING and abs(sums.weight - sums.cases) <= _ROUNDING * sums.cases


def unknowable(sums: Sums) -> bool:
    """Return whether so much was decided without exploration, and perhaps otherwise by the policy.

    What the policy's own choices earn is then unknown, however many cases there are.
    """
    return sums.imitated > _MOST_IMITATED * sums.cases


def together(points: Sequence[Point], minutes: int) -> tuple[Point, ...]:
    """Return the points of wider stretches, which begin at full multiples since 1970."""
    width = minutes * _MINUTE
    stretches: dict[int, list[Sums]] = {}
    for point in points:
        stretches.setdefault(point.at - point.at % width, []).append(point.sums)
    return tuple(Point(at, merged(parts)) for at, parts in stretches.items())


def _plus(one: Any, other: Any) -> Any:
    return one + other
