"""What is known before the first case is seen: how far weights and rewards can reach."""

from math import ceil
from typing import NamedTuple

from loopledger.errors import InvalidRequest
from loopledger.evaluation.report import Bounds, Sums


class Declared(NamedTuple):
    """The ranges that intervals are computed for. Declared, not seen: what was never seen counts too.

    Attributes:
        minimum_probability: No offered action was ever taken with less; 1 where none could be chosen from.
        reward_range: The least and the most that a reward can be.

    """

    minimum_probability: float
    reward_range: Bounds = (0.0, 1.0)

    def checked(self) -> "Declared":
        """Return it as it is, or say what cannot be.

        Raises:
            InvalidRequest: The probability is no probability, or the range is empty.

        """
        if not 0 < self.minimum_probability <= 1:
            raise InvalidRequest("minimum_probability", "must be above 0 and at most 1.")
        least, most = self.reward_range
        if not -float("inf") < least < most < float("inf"):
            raise InvalidRequest("reward_range", "must be two finite numbers, the smaller one first.")
        return self

    @property
    def difference_range(self) -> Bounds:
        """The least and the most by which two rewards can differ."""
        least, most = self.reward_range
        return least - most, most - least

    def at_slot(self, place: int) -> "Declared":
        """Return the same for one slot alone, by its place in the decision."""
        return self._replace(minimum_probability=self.minimum_probability ** (place + 1))

    def largest_weight(self, sums: Sums) -> float:
        """Return the largest weight that one observation can have, over the slots that decisions have.

        Weights of later slots multiply, so that the range of the second is the square of the first's.
        Where some decisions have more slots than others, they weigh more.
        """
        largest = 1 / self.minimum_probability
        reach = [largest**slot for slot in range(1, slots_of(sums) + 1)]
        declared = sum(reach) * sums.decisions / sums.cases if sums.cases else largest
        return declared if sums.largest_weight <= reach[-1] else max(declared, sums.largest_weight)


def slots_of(sums: Sums) -> int:
    """Return how many slots a decision had at most; where that was not counted, on average."""
    return sums.most_slots or max(1, ceil(sums.cases / sums.decisions)) if sums.decisions else 1
