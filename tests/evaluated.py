"""Logs and answers for tests of evaluation, from seeded numbers."""

import numpy as np

from loopledger.evaluation.cases import Answers, Cases

LOGGED = np.array([0.84, 0.04, 0.04, 0.04, 0.04])
OTHER = np.array([0.01, 0.96, 0.01, 0.01, 0.01])
MINUTE = 60_000_000


def log(count, *, seed=1, slots=1, clicks=(0.3, 0.5, 0.1, 0.1, 0.1), explored=True, seconds=10):
    numbers = np.random.default_rng(seed)
    action = numbers.choice(len(LOGGED), size=count, p=LOGGED)
    places = np.arange(count)
    return Cases(
        seq=places // slots,
        at=places // slots * seconds * 1_000_000,
        slot=places % slots,
        offered=np.full(count, len(LOGGED)),
        position=action,
        baseline=np.zeros(count, dtype=np.int64),
        propensity=LOGGED[action],
        reward=(numbers.random(count) < np.array(clicks)[action]).astype(float),
        explored=np.full(count, explored),
    )


def answers(cases, probabilities=OTHER):
    return Answers(np.asarray(probabilities)[cases.position])


def constant(cases, probability):
    return Answers(np.full(len(cases.seq), float(probability)))
