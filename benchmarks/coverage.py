"""How often the intervals hold the true value: simulations in which it is known.

`python benchmarks/coverage.py` prints the table; `--repetitions 100` is quicker. Five actions, decided
epsilon-greedily at 0.2 (the best one at 0.84), a candidate that prefers a better action at epsilon 0.05;
*dense* rewards are clicks of 30 to 70 %, *sparse* ones of 0.5 to 1.2 %, *twins* are two policies that
decide differently and are worth the same. What is declared is the minimum probability of 0.04 and
rewards of 0 to 1. Confidence sequences are looked at 25 times on the way; ever missing once counts.
"""

import argparse
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from loopledger.evaluation.cases import Answers, Cases
from loopledger.evaluation.tally import Tally
from loopledger.evaluation.weighing import pick

ACTIONS = 5
LOGGED = np.array([0.84, 0.04, 0.04, 0.04, 0.04])
CANDIDATE = np.array([0.01, 0.96, 0.01, 0.01, 0.01])
LOOKS = 25


class World(NamedTuple):
    """How probable a click is, by context and action."""

    name: str
    clicks: np.ndarray
    cases: int

    def value(self, probabilities: np.ndarray) -> float:
        return float((self.clicks @ probabilities).mean())

    def log(self, numbers: np.random.Generator, slots: int = 1) -> Cases:
        count = self.cases
        action = numbers.choice(ACTIONS, size=count, p=LOGGED)
        context = numbers.integers(len(self.clicks), size=count)
        if slots > 1:  # the slots of one decision share a context: they rise and fall together
            context = np.repeat(context[::slots], slots)[:count]
        reward = (numbers.random(count) < self.clicks[context, action]).astype(np.float64)
        places = np.arange(count)
        return Cases(
            seq=places // slots,
            at=places // slots * 1_000_000,
            slot=places % slots,
            offered=np.full(count, ACTIONS),
            position=action,
            baseline=np.zeros(count, dtype=np.int64),
            propensity=LOGGED[action],
            reward=reward,
            explored=np.ones(count, dtype=np.bool_),
        )


def dense(cases: int) -> World:
    means = np.array([[0.3, 0.6, 0.1, 0.2, 0.2], [0.4, 0.7, 0.2, 0.2, 0.1]])
    return World("dense", means, cases)


def sparse(cases: int) -> World:
    return World("sparse", np.array([[0.006, 0.012, 0.005, 0.005, 0.005]]), cases)


def twins(cases: int, click: float) -> World:
    return World(f"twins {click}", np.full((1, ACTIONS), click), cases)


class Found(NamedTuple):
    """Shares of the repetitions, and the mean width as a multiple of the value."""

    covered: float
    covered_difference: float
    called: float
    missed_ever: float
    missed_difference_ever: float
    width: float
    width_anytime: float


def simulate(world: World, *, repetitions: int, seed: int = 1, slots: int = 1, looks: int = LOOKS) -> Found:
    """Evaluate the candidate on as many logs, and compare with what is true."""
    value = world.value(CANDIDATE)
    difference = value - world.value(LOGGED)
    rows: list[tuple[float, ...]] = []
    steps = [*np.geomspace(100, world.cases, looks).astype(int)[:-1] // slots * slots, world.cases]
    for numbers in (np.random.default_rng([seed, nth]) for nth in range(repetitions)):
        cases = world.log(numbers, slots)
        tally = Tally(minimum_probability=float(LOGGED.min()))
        missed = missed_difference = False
        for begin, end in pairwise((0, *steps)):
            part = pick(cases, slice(begin, end))
            tally.add(part, Answers(CANDIDATE[part.position]))
            missed |= not holds(tally.estimate().anytime, value)
            missed_difference |= not holds(tally.verdict("candidate").anytime, difference)
        estimate, verdict = tally.estimate(), tally.verdict("candidate")
        rows.append(
            (
                holds(estimate.interval, value),
                holds(verdict.interval, difference),
                verdict.judgement in {"better", "worse"},
                missed,
                missed_difference,
                (estimate.interval[1] - estimate.interval[0]) / value,
                (estimate.anytime[1] - estimate.anytime[0]) / value,
            )
        )
    return Found(*np.mean(np.array(rows, dtype=np.float64), axis=0).tolist())


def holds(interval: tuple[float, float], value: float) -> bool:
    return interval[0] - 1e-9 <= value <= interval[1] + 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    repetitions = parser.parse_args().repetitions
    columns: tuple[str, ...] = ("world", "cases", "slots", "95 % holds", "of difference", "called different")
    columns += ("sequence ever misses", "of difference", "width", "of the sequence")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    worlds = [
        (dense(1_000), 1),
        (dense(10_000), 1),
        (dense(10_000), 2),
        (sparse(10_000), 1),
        (sparse(50_000), 1),
        (twins(1_000, 0.3), 1),
        (twins(10_000, 0.3), 1),
        (twins(10_000, 0.01), 1),
        (twins(50_000, 0.01), 1),
    ]
    for world, slots in worlds:
        found = simulate(world, repetitions=repetitions, slots=slots)
        shares = " | ".join(f"{share:.1%}" for share in found[:5])
        widths = " | ".join(f"{width:.2f}" for width in found[5:])
        print(f"| {world.name} | {world.cases:,} | {slots} | {shares} | {widths} |", flush=True)


if __name__ == "__main__":
    main()
