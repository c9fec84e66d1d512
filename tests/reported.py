"""Evaluations as an engine would return them, for tests of what shows them."""

import math
import random  # noqa: TID251 - the same on every run

from msgspec.structs import astuple

from loopledger.evaluation.report import (
    Caution,
    Estimate,
    Evaluation,
    FeatureImportance,
    FeatureScore,
    Judged,
    Point,
    SlotEstimate,
    Sums,
    Verdict,
)

START = 1_767_225_600 * 1_000_000
MINUTE = 60_000_000
WIDTH = 60


def sums(cases, reward, weights, draw):
    """Return the sums of cases in which a reward of 1 comes with some probability."""
    made = [(draw.choice(weights), float(draw.random() < reward)) for _ in range(cases)]
    return Sums(
        cases,
        sum(w > 0 for w, _ in made),
        sum(r for _, r in made),
        sum(w for w, _ in made),
        sum(w * w for w, _ in made),
        sum(w * r for w, r in made),
        sum((w * r) ** 2 for w, r in made),
        sum(w * w * r for w, r in made),
        0.0,
        0.0,
        max((w for w, _ in made), default=0.0),
    )


def together(points):
    columns = list(zip(*(astuple(one.sums) for one in points), strict=True))
    return Sums(*(max(column) if at == 10 else sum(column) for at, column in enumerate(columns)))


def estimate(total, wide=1.0):
    if not total.cases:
        return Estimate(average_reward=0.0, interval=(0.0, 0.0), anytime=(0.0, 0.0), ips=0.0, snips=None,
                        robust=None, effective_sample_size=0.0, sums=total)  # fmt: skip
    ips = total.weighted_reward / total.cases
    snips = total.weighted_reward / total.weight if total.weight else None
    half = (
        1.96 * math.sqrt(max(0.0, total.weighted_reward_squares / total.cases - ips**2) / total.cases) * wide
    )
    average = snips if snips is not None else ips
    return Estimate(
        average_reward=average,
        interval=(max(0.0, average - half), min(1.0, average + half)),
        anytime=(max(0.0, average - 2.5 * half), min(1.0, average + 2.5 * half)),
        ips=ips,
        snips=snips,
        robust=ips * 0.99,
        effective_sample_size=total.weight**2 / total.weight_squares if total.weight_squares else 0.0,
        sums=total,
    )


def judged(
    name, source, reward, *, hours=72, cases=40, weights=(1.0,), draw=None, verdict=None, slots=(), **more
):
    """Return a policy whose reward climbs for a while, followed hour by hour."""
    draw = draw or random.Random(name)
    climbing = [reward * (0.6 + 0.4 * min(1.0, hour / 24)) for hour in range(hours)]
    rates = more.pop("rates", climbing)
    points = tuple(
        Point(START + hour * WIDTH * MINUTE, sums(cases, rate, weights, draw))
        for hour, rate in enumerate(rates)
    )
    total = together(points) if points else Sums()
    return Judged(
        name=name,
        source=source,
        arguments=more.pop("arguments", ""),
        overall=estimate(total, more.pop("wide", 1.0)),
        over_time=points,
        verdict=verdict,
        slots=tuple(SlotEstimate(slot, estimate(sums(cases * 10, reward, weights, draw))) for slot in slots),
        **more,
    )


def verdict(judgement, difference, half, says=None, needed=None):
    return Verdict(
        judgement=judgement,
        says=says or f"It is {judgement}.",
        difference=difference,
        interval=(difference - half, difference + half),
        anytime=(difference - 2 * half, difference + 2 * half),
        cases_needed=needed,
    )


FAILED = Judged(
    name="broken",
    source="Custom",
    arguments="--cb_explore_adf --epsilon 2",
    overall=estimate(Sums()),
    failed="the engine refused it after 812 decisions: epsilon must lie between 0 and 1",
)


def evaluation(*policies, **more):
    made = {
        "loop": "front-page",
        "first": 1,
        "last": 9_312,
        "since": START,
        "until": START + 72 * WIDTH * MINUTE,
        "decisions": 2_880,
        "left_out": {"open windows": 12, "not activated": 31, "erased": 0},
        "minute_width": WIDTH,
        "reward_range": (0.0, 1.0),
        "minimum_probability": 0.04,
        "policies": policies,
    }
    return Evaluation(**{**made, **more})


def three(hours=72, slots=()):
    online = judged(
        "Online", "Online", 0.31, hours=hours, slots=slots, arguments="--cb_explore_adf --epsilon 0.2 -q ::"
    )
    wide = (0.0, 0.0, 0.0, 5.0)
    return (
        online,
        judged("Baseline", "Baseline", 0.2, hours=hours, weights=wide, slots=slots, verdict=verdict("worse", -0.11, 0.04, "Baseline would have earned less.")),
        judged("Random", "Random", 0.26, hours=hours, weights=(0.24, 1.25), slots=slots, verdict=verdict("worse", -0.05, 0.02)),
    )  # fmt: skip


def better(name="regcb", **more):
    says = f"{name} would have earned 0.41 per decision instead of 0.31; the gain lies between 0.06 and 0.14."
    return judged(
        name, "Custom", 0.41, weights=(0.3, 0.9, 1.8), verdict=verdict("better", 0.1, 0.04, says),
        arguments="--cb_explore_adf --regcb --mellowness 0.001 --cb_min_cost -1 --cb_max_cost 0 -q :i -q :j", **more,
    )  # fmt: skip


def unsure(name="squarecb", **more):
    return judged(
        name, "Custom", 0.33, weights=(0.0, 0.2, 3.8), verdict=verdict("not enough data", 0.02, 0.05, needed=18_000),
        arguments="--cb_explore_adf --squarecb --gamma_scale 100", **more,
    )  # fmt: skip


DOUBT = Caution(
    "non-stationary-reward",
    "The reward changed during the range: 0.42 in its first half, 0.20 in the second. Averages mix two situations; ask about a shorter range.",
)
SMALL = Caution(
    "small-propensities",
    "41 decisions have probabilities below 0.01 and carry 30 % of the weight. Raise the loop's minimum probability to learn more in future.",
)


def importance(count=24, method="leave-one-out"):
    names = [
        ("FromUrl", "hour"),
        ("FromUrl", "device"),
        ("j", "topic"),
        ("i", "id"),
        ("weather", "temperature"),
    ]
    names += [("j", f"tag{number}") for number in range(count - len(names))]
    remarks = {3: "nearly never present", 4: "constant", 6: "unique per event", 9: "never present"}
    scores = tuple(
        FeatureScore(namespace=namespace, feature=feature, score=100 * 0.8**at,
                     reward_without=0.31 - 0.1 * 0.8**at if method == "leave-one-out" else None,
                     present=0.004 if at == 3 else 1.0, values=1000 if at == 6 else at + 1, remark=remarks.get(at))
        for at, (namespace, feature) in enumerate(names)
    )  # fmt: skip
    spaces = tuple(
        FeatureScore(
            namespace=name, feature=None, score=100 - 30 * at, reward_without=None, present=1.0, values=7
        )
        for at, name in enumerate(("j", "FromUrl", "i"))
    )
    return FeatureImportance(loop="front-page", first=1, last=9_312, decisions=2_880, method=method,
                             reward=0.31 if method == "leave-one-out" else None, namespaces=spaces, features=scores,
                             cautions=(Caution("few", "Only 2,880 decisions were looked at; small scores are noise."),))  # fmt: skip
