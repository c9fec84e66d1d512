"""Scales: from rewards and times to places in a picture, in percent of its width or height."""

import math
from collections.abc import Sequence
from statistics import median

from loopledger.evaluation.report import Bounds

_WIDEST = 4
"""Times the usual width: how far an interval may stretch the scale; a wider one runs off the picture."""


class Scale:
    """Places values between two ends.

    Args:
        low: The value at the beginning.
        high: The value at the end.

    """

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high if high > low else low + 1.0

    def place(self, value: float) -> float:
        """Return where a value stands, 0 to 100; what lies outside stands at the end."""
        return round(100 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low))), 3)

    def beyond(self, value: float) -> bool:
        """Tell whether a value lies outside."""
        return not self.low <= value <= self.high

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values, about so many."""
        raw = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def scale_of(values: Sequence[tuple[float, Bounds]]) -> Scale:
    """Return a scale on which estimates with their intervals can be told apart.

    One that is known far less well than the others would press them all together: its interval
    runs off the picture.
    """
    sound = [
        (value, bounds) for value, bounds in values if all(math.isfinite(one) for one in (value, *bounds))
    ]
    if not sound:
        return Scale(0.0, 1.0)
    usual = median(high - low for _, (low, high) in sound) or 0.0
    low = min(max(low, value - _WIDEST * usual) for value, (low, _) in sound)
    high = max(min(high, value + _WIDEST * usual) for value, (_, high) in sound)
    margin = 0.06 * (high - low) or 0.05
    return Scale(max(0.0, low - margin) if low >= 0 else low - margin, high + margin)
