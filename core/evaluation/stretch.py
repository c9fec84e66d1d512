"""A stretch of Apprentice decisions: what was earned, and what the model would have kept of it."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from loopledger.evaluation.proportion import bounded_average, weighted_share, wilson
from loopledger.evaluation.report import Bounds


class Case(NamedTuple):
    """A decision, or a slot of one, that was made in Apprentice mode.

    Attributes:
        seq: The decision's place in the log.
        at: When it was made.
        matched: Whether the model chose what the caller chose.
        reward: What came for the caller's choice.
        likeliest: The largest of the probabilities that the model drew from.

    """

    seq: int
    at: int
    matched: bool
    reward: float
    likeliest: float


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """What came of some decisions in Apprentice mode; the first four counts are Personalizer's.

    Attributes:
        number_of_events: How many decisions, or slots of them.
        number_of_matched_events: In how many of them the model chose what the caller chose.
        sum_of_rewards: What the caller's choices earned.
        sum_of_imitated_rewards: What they earned where the model chose the same.
        first: Seq of the first decision.
        last: Seq of the last.
        since: When the first one was made, UTC in microseconds since 1970.
        until: When the last one was.
        baseline_average_reward: What the caller's choices earned on average.
        baseline_interval: Its 95 % interval (`loopledger.evaluation.proportion.bounded_average`).
        imitated_average_reward: The same of the imitated rewards.
        imitated_interval: Its 95 % interval.
        match_rate: The share of matched events.
        match_interval: Its 95 % interval (`loopledger.evaluation.proportion.wilson`).
        achievement_ratio: Imitated rewards over rewards; none where they do not add up to more than 0.
        achievement_interval: Its 95 % interval (`loopledger.evaluation.proportion.weighted_share`);
            none where rewards are negative, which a ratio cannot weigh.
        plateau: The match rate if the model's favourite always were the caller's choice: what
            exploration leaves of it.

    """

    number_of_events: int
    number_of_matched_events: int
    sum_of_rewards: float
    sum_of_imitated_rewards: float
    first: int
    last: int
    since: int
    until: int
    baseline_average_reward: float
    baseline_interval: Bounds
    imitated_average_reward: float
    imitated_interval: Bounds
    match_rate: float
    match_interval: Bounds
    achievement_ratio: float | None
    achievement_interval: Bounds | None
    plateau: float


class Counting:
    """Adds up cases.

    Attributes:
        events: How many there were.

    """

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self.events = 0
        self._matched = 0
        self._rewards = self._reward_squares = 0.0
        self._imitated = self._imitated_squares = 0.0
        self._likeliest = 0.0
        self._lowest = self._highest = 0.0
        self._first: Case | None = None
        self._last: Case | None = None
        for case in cases:
            self.add(case)

    def add(self, case: Case) -> None:
        """Count one more."""
        self.events += 1
        self._rewards += case.reward
        self._reward_squares += case.reward**2
        if case.matched:
            self._matched += 1
            self._imitated += case.reward
            self._imitated_squares += case.reward**2
        self._likeliest += case.likeliest
        self._lowest = min(self._lowest, case.reward)
        self._highest = max(self._highest, case.reward)
        if self._first is None:
            self._first = case
        self._last = case

    def stretch(self) -> Stretch | None:
        """Return what they come to; none if there were none."""
        if self._first is None or self._last is None:
            return None
        # As evaluations do: 0 to 1 is what most loops allow, widened to what was seen.
        ends = self._lowest, max(1.0, self._highest)
        baseline, imitated = self._rewards / self.events, self._imitated / self.events
        rate = self._matched / self.events
        ratio = interval = None
        if self._rewards > 0:
            ratio = self._imitated / self._rewards
            if self._lowest >= 0:
                interval = weighted_share(
                    self._rewards, self._reward_squares, self._imitated, self._imitated_squares
                )
        return Stretch(
            number_of_events=self.events,
            number_of_matched_events=self._matched,
            sum_of_rewards=self._rewards,
            sum_of_imitated_rewards=self._imitated,
            first=self._first.seq,
            last=self._last.seq,
            since=self._first.at,
            until=self._last.at,
            baseline_average_reward=baseline,
            baseline_interval=bounded_average(baseline, self.events, *ends),
            imitated_average_reward=imitated,
            imitated_interval=bounded_average(imitated, self.events, *ends),
            match_rate=rate,
            match_interval=wilson(rate, self.events),
            achievement_ratio=ratio,
            achievement_interval=interval,
            plateau=self._likeliest / self.events,
        )
