"""The tally: what one policy would have earned, case after case, in memory that does not grow with them."""

from collections.abc import Sequence

import numpy as np

from loopledger.errors import InvalidRequest
from loopledger.evaluation.cases import Answers, Cases
from loopledger.evaluation.cautions import about_policy
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.estimators import cressie_read, effective_sample_size, ips, robust, snips
from loopledger.evaluation.intervals import interval
from loopledger.evaluation.merging import merged, unknowable
from loopledger.evaluation.report import Bounds, Caution, Estimate, Point, SlotEstimate, Sums, Verdict
from loopledger.evaluation.sequence import ConfidenceSequence
from loopledger.evaluation.summing import summed
from loopledger.evaluation.verdict import judge
from loopledger.evaluation.weighing import Weighed, joined, pick, pick_answers, weigh

_MINUTE = 60_000_000
FINEST = 5
"""The finest stretch of time, in minutes."""


class Tally:
    """Adds up what a policy says to the cases of a range, in log order.

    All of a decision's slots come one after the other; chunks may begin and end anywhere. What is read
    counts the last decision as complete.

    Args:
        minimum_probability: The least probability with which any action was taken.
        reward_range: The least and the most that a reward can be.
        minute_width: Minutes of the stretches of time that are counted apart; 5 or a multiple of it.

    Raises:
        InvalidRequest: A declaration cannot be, or a propensity is not above 0.

    """

    def __init__(
        self,
        *,
        minimum_probability: float,
        reward_range: Bounds = (0.0, 1.0),
        minute_width: int = FINEST,
    ) -> None:
        if minute_width < FINEST or minute_width % FINEST:
            raise InvalidRequest("minute_width", f"must be {FINEST} minutes, or a multiple of it.")
        self.declared = Declared(minimum_probability, reward_range).checked()
        self.minute_width = minute_width
        self._width = minute_width * _MINUTE
        self._open: tuple[Cases, Answers] | None = None
        self._points: dict[int, Sums] = {}
        self._sequence = ConfidenceSequence(reward_range)
        self._slots: dict[int, tuple[dict[int, Sums], ConfidenceSequence]] = {}
        self._seen = (float("inf"), -float("inf"))

    def add(self, cases: Cases, answers: Answers) -> None:
        """Add what comes next in the log, and what the policy says to it."""
        if not len(cases.seq):
            return
        if not (cases.propensity > 0).all():
            raise InvalidRequest("propensity", "must be above 0: an action that was taken had a chance.")
        if self._open is not None:
            cases, answers = joined(self._open, (cases, answers))
        others = np.flatnonzero(cases.seq != cases.seq[-1])
        last = int(others[-1]) + 1 if len(others) else 0
        self._open = pick(cases, slice(last, None)), pick_answers(answers, slice(last, None))
        if last:
            self._count(pick(cases, slice(None, last)), pick_answers(answers, slice(None, last)))

    def points(self) -> tuple[Point, ...]:
        """Return the sums of each stretch of time that holds cases, in order."""
        self._close()
        return _in_order(self._points)

    def sums(self) -> Sums:
        """Return the sums over all cases."""
        return merged(point.sums for point in self.points())

    def estimate(self) -> Estimate:
        """Return what the policy would have earned on average, over all cases."""
        return estimated(self.sums(), self.range_in_force(), self._sequence)

    def slots(self, names: Sequence[str]) -> tuple[SlotEstimate, ...]:
        """Return the same for each slot that was seen.

        Args:
            names: The slots' ids, by their place in a decision.

        """
        self._close()
        inside = self.range_in_force()
        return tuple(
            _slot_estimate(names[place], _in_order(points), inside.at_slot(place), sequence)
            for place, (points, sequence) in sorted(self._slots.items())
        )

    def verdict(self, name: str) -> Verdict:
        """Judge the policy of this name against what decided, case by case on the same log."""
        sums, inside = self.sums(), self.range_in_force()
        anytime = (
            inside.difference_range
            if unknowable(sums)
            else self._sequence.difference(inside.largest_weight(sums))
        )
        return judge(name, sums, inside, anytime)

    def cautions(self, *, learned_inside: int = 0, chosen_among: int = 0) -> tuple[Caution, ...]:
        """Return why the figures are not to be trusted, if so; see `cautions.about_policy`."""
        sums = self.sums()
        outside = self.range_in_force() != self.declared
        return about_policy(
            sums, learned_inside=learned_inside, chosen_among=chosen_among, outside_range=outside
        )

    def range_in_force(self) -> Declared:
        """Return what was declared, its range of rewards widened to those that were seen."""
        self._close()
        least, most = self.declared.reward_range
        return self.declared._replace(reward_range=(min(least, self._seen[0]), max(most, self._seen[1])))

    def _close(self) -> None:
        if self._open is not None:
            cases, answers = self._open
            self._open = None
            self._count(cases, answers)

    def _count(self, cases: Cases, answers: Answers) -> None:
        weighed = weigh(cases, answers)
        self._add_to(self._points, cases, answers, weighed)
        self._sequence.add(weighed)
        self._seen = (
            min(self._seen[0], float(cases.reward.min())),
            max(self._seen[1], float(cases.reward.max())),
        )
        for place in np.unique(cases.slot).tolist():
            here = cases.slot == place
            self._count_slot(place, pick(cases, here), answers, weighed.only(here))

    def _count_slot(self, place: int, cases: Cases, answers: Answers, weighed: Weighed) -> None:
        if place not in self._slots:
            self._slots[place] = {}, ConfidenceSequence(self.declared.reward_range)
        points, sequence = self._slots[place]
        self._add_to(points, cases, answers, weighed)
        sequence.add(weighed)

    def _add_to(self, points: dict[int, Sums], cases: Cases, answers: Answers, weighed: Weighed) -> None:
        at = (cases.at - cases.at % self._width)[weighed.starts]
        stretches, group = np.unique(at, return_inverse=True)
        parts = summed(cases, answers, weighed, group, len(stretches))
        for stretch, part in zip(stretches.tolist(), parts, strict=True):
            points[stretch] = merged((points.get(stretch, Sums()), part))


def _in_order(points: dict[int, Sums]) -> tuple[Point, ...]:
    return tuple(Point(at, sums) for at, sums in sorted(points.items()))


def _slot_estimate(
    name: str, points: tuple[Point, ...], declared: Declared, sequence: ConfidenceSequence
) -> SlotEstimate:
    sums = merged(point.sums for point in points)
    return SlotEstimate(name, estimated(sums, declared, sequence), points)


def estimated(sums: Sums, declared: Declared, sequence: ConfidenceSequence) -> Estimate:
    """Return every estimate that follows from the sums, with the confidence sequence beside them."""
    return Estimate(
        average_reward=cressie_read(sums, declared),
        interval=interval(sums, declared),
        anytime=declared.reward_range
        if unknowable(sums)
        else sequence.interval(declared.largest_weight(sums)),
        ips=ips(sums),
        snips=snips(sums),
        robust=robust(sums),
        effective_sample_size=effective_sample_size(sums),
        sums=sums,
    )
