"""What an evaluation comes to: the shapes that every face of it shows, and that the log keeps.

All rewards are averages per case. A case is one joined decision or, of a multi-slot decision, one
of its slots.
"""

from typing import Literal

import msgspec

Bounds = tuple[float, float]
"""The lower and the upper end of a 95 % interval."""

Source = Literal["Online", "Baseline", "Random", "Custom", "OfflineExperimentation", "Version"]
"""Where a judged policy comes from; the first five are Personalizer's words."""

Judgement = Literal["better", "worse", "not enough data", "no answer", "itself"]


class Sums(msgspec.Struct, frozen=True, array_like=True):
    """Sums over cases, from which every estimate but the confidence sequence follows; they add up.

    `w` is the policy's probability of the action that was taken, divided by the probability with
    which it was taken; in later slots, multiplied by those of the slots before. `r` is the reward.
    The slots of one decision may rise and fall together and count as one observation: squares and
    products are those of the decision's own sums of w, r and w·r.

    Attributes:
        cases: How many.
        supported: In how many of them the policy gave the taken action any probability.
        reward: Sum of r.
        weight: Sum of w.
        weight_squares: Sum of w².
        weighted_reward: Sum of w·r.
        weighted_reward_squares: Sum of (w·r)².
        weight_reward: Sum of w²·r.
        robust: Sum of the doubly robust scores.
        robust_squares: Sum of their squares.
        largest_weight: The largest w.
        decisions: How many decisions the cases belong to: as many, where there are no slots.
        reward_squares: Sum of r².
        reward_weight: Sum of r·w.
        reward_weighted_reward: Sum of r·w·r.
        modelled: For how many cases a reward model gave the doubly robust score; others have w·r.
        least_propensity: The least probability with which an action was taken.
        unexplored: How many cases were decided without exploration.
        imitated: In how many of those the policy might have taken another action, of which nothing is known.
        most_slots: The most slots that a decision had; 0 in reports from before this was counted.

    """

    cases: int = 0
    supported: int = 0
    reward: float = 0.0
    weight: float = 0.0
    weight_squares: float = 0.0
    weighted_reward: float = 0.0
    weighted_reward_squares: float = 0.0
    weight_reward: float = 0.0
    robust: float = 0.0
    robust_squares: float = 0.0
    largest_weight: float = 0.0
    decisions: int = 0
    reward_squares: float = 0.0
    reward_weight: float = 0.0
    reward_weighted_reward: float = 0.0
    modelled: int = 0
    least_propensity: float = 1.0
    unexplored: int = 0
    imitated: int = 0
    most_slots: int = 0


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have earned on average, in one stretch of time or overall.

    Attributes:
        average_reward: The best estimate: that of the interval-optimal estimator.
        interval: Its 95 % interval, right for this one look.
        anytime: The 95 % confidence sequence: right however often one looks.
        ips: Inverse propensity scoring.
        snips: The same, self-normalized; none where no case is supported.
        robust: Doubly robust; none where no reward model was learned.
        effective_sample_size: How many cases of the policy's own the weighted ones are worth.
        sums: What it was computed from.

    """

    average_reward: float
    interval: Bounds
    anytime: Bounds
    ips: float
    snips: float | None
    robust: float | None
    effective_sample_size: float
    sums: Sums


class Point(msgspec.Struct, frozen=True):
    """What was counted in one stretch of time of the finest width.

    Attributes:
        at: When it begins, UTC in microseconds since 1970.
        sums: Of the cases that were decided in it.

    """

    at: int
    sums: Sums


class Caution(msgspec.Struct, frozen=True):
    """A reason not to trust a figure.

    Attributes:
        about: A short name that stays the same, such as ``small-propensities``.
        says: A sentence: what was found, with its figures, and what to do about it.

    """

    about: str
    says: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a policy compares with the one that decided.

    Attributes:
        judgement: better or worse only where the interval of the difference leaves out zero.
        says: A sentence for a product owner.
        difference: Estimated average reward beyond Online's.
        interval: Its 95 % interval, at this one look.
        anytime: Its 95 % confidence sequence.
        cases_needed: About how many cases in all would tell; none if it is told, or cannot be said.

    """

    judgement: Judgement
    says: str
    difference: float
    interval: Bounds
    anytime: Bounds
    cases_needed: int | None = None


class SlotEstimate(msgspec.Struct, frozen=True):
    """An estimate for one slot of multi-slot decisions.

    Attributes:
        slot: The slot's id.
        estimate: Over the whole range.
        over_time: Stretches of time that hold cases of this slot, in order.

    """

    slot: str
    estimate: Estimate
    over_time: tuple[Point, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with what it would have earned.

    Attributes:
        name: ``Online``, ``Baseline``, ``Random``, or the name it was given.
        source: Where it comes from.
        arguments: VowpalWabbit's, with exploration written in; empty where there are none.
        version: The fixed model version that was judged, if it is one.
        overall: Over the whole range; for multi-slot decisions over all their slots.
        slots: For each slot, in the order in which slots first appear.
        over_time: Stretches of time that hold cases, in order; for all slots together.
        verdict: Against Online.
        cautions: What there is to say about this policy.
        failed: Why it could not be judged, if so; its estimates are then empty.

    """

    name: str
    source: Source
    arguments: str
    overall: Estimate
    version: int | None = None
    slots: tuple[SlotEstimate, ...] = ()
    over_time: tuple[Point, ...] = ()
    verdict: Verdict | None = None
    cautions: tuple[Caution, ...] = ()
    failed: str | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A learning policy that was tried in a search, with how it did where it was chosen.

    The best of many looks better than it is: these figures are not what to expect.

    Attributes:
        arguments: VowpalWabbit's.
        average_reward: Estimated, on the part of the log that was searched.
        interval: Its 95 % interval, if it were the only one.

    """

    arguments: str
    average_reward: float
    interval: Bounds


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """How a search for a better learning policy went.

    Attributes:
        first: Seq of the first event of the part that was searched.
        last: Seq of the last; everything after it was held out.
        decisions: How many decisions it holds.
        trials: How many policies were tried.
        stopped: How many of them were given up before the end, because others did better.
        failed: How many the engine refused, or could not learn.
        seed: What chance began with.
        winner: What the best one is called in the report; none if nothing did better than the policy
            in force.
        own: The policy in force; none if it could not be judged.
        best: The best ones, the winner first.

    """

    first: int
    last: int
    decisions: int
    trials: int
    stopped: int
    failed: int
    seed: int
    winner: str | None
    own: Tried | None
    best: tuple[Tried, ...]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What an evaluation of learning policies came to.

    Attributes:
        loop: The loop's name.
        first: Seq of the first event of the range.
        last: Seq of the last.
        since: When the range begins, UTC in microseconds since 1970.
        until: When it ends.
        decisions: How many decisions were judged.
        left_out: How many were not, by reason: open windows, not activated, erased, left out of learning.
        minute_width: Minutes of the stretches in `over_time`.
        reward_range: The least and the most reward that intervals were computed for.
        minimum_probability: The least probability that intervals were computed for.
        policies: Online, Baseline and Random first, then in the order in which they were asked for.
        cautions: What there is to say about the whole.
        importance: Which features matter, where that was asked for too.
        searched: How the search went, if there was one; the figures are then of what was held out from it.

    """

    loop: str
    first: int
    last: int
    since: int
    until: int
    decisions: int
    left_out: dict[str, int]
    minute_width: int
    reward_range: Bounds
    minimum_probability: float
    policies: tuple[Judged, ...]
    cautions: tuple[Caution, ...] = ()
    importance: "FeatureImportance | None" = None
    searched: Searched | None = None


class FeatureScore(msgspec.Struct, frozen=True, kw_only=True):
    """How much one feature, or one namespace, matters.

    Attributes:
        namespace: The namespace as the model sees it.
        feature: The feature's name; none for the whole namespace.
        score: 0 to 100: what is lost without it, against the feature that matters most.
        reward_without: The estimated average reward without it; none for the approximate kind.
        present: In what share of the decisions it is there.
        values: How many different values were seen, counted up to 1,000.
        remark: ``never present``, ``no longer present``, ``nearly never present``, ``constant`` or
            ``unique per event``, if so.

    """

    namespace: str
    feature: str | None
    score: float
    reward_without: float | None
    present: float
    values: int
    remark: str | None = None


class FeatureImportance(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Which features matter, the most important first.

    Attributes:
        loop: The loop's name.
        first: Seq of the first event of the range.
        last: Seq of the last.
        decisions: How many decisions were looked at.
        method: ``leave-one-out`` learns again without each of them; ``approximate`` reads the model.
        reward: The estimated average reward with all of them; none for the approximate kind.
        namespaces: Whole namespaces.
        features: Single features.
        cautions: What there is to say about it.

    """

    loop: str
    first: int
    last: int
    decisions: int
    method: Literal["leave-one-out", "approximate"]
    reward: float | None
    namespaces: tuple[FeatureScore, ...]
    features: tuple[FeatureScore, ...]
    cautions: tuple[Caution, ...] = ()
