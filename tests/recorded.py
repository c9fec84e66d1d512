"""Reports of evaluations without an evaluation, for tests of what is done with them."""

from loopledger.evaluation.report import Estimate, Evaluation, Judged, Point, Sums

FIVE = 5 * 60 * 1_000_000
NONE = Estimate(
    average_reward=0.0,
    interval=(0.0, 1.0),
    anytime=(0.0, 1.0),
    ips=0.0,
    snips=None,
    robust=None,
    effective_sample_size=0.0,
    sums=Sums(),
)


def judged(name, source="Custom", arguments="--cb_explore_adf --epsilon 0.1", **more):
    return Judged(name=name, source=source, arguments=arguments, overall=NONE, **more)


def evaluation(*policies, width=5, **more):
    values = {
        "loop": "bench",
        "first": 1,
        "last": 9,
        "since": 0,
        "until": 9,
        "decisions": 3,
        "left_out": {"open windows": 1},
        "minute_width": width,
        "reward_range": (0.0, 1.0),
        "minimum_probability": 0.001,
        "policies": (judged("Online", "Online"), *policies),
    }
    return Evaluation(**{**values, **more})


def points(count, every=FIVE):
    return tuple([Point(number * every, Sums(cases=1, reward=float(number))) for number in range(count)])
