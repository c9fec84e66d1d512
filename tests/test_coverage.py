"""How often intervals hold what is true, in logs where it is known; `benchmarks/coverage.py` prints more."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from scipy.stats import binom

pytestmark = pytest.mark.slow

UNLIKELY = 0.001
REPETITIONS = 300


@pytest.fixture(scope="module")
def coverage():
    spec = spec_from_file_location("simulated", Path(__file__).parents[1] / "benchmarks" / "coverage.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def may_be(share, repetitions, *, least=0.0, most=1.0):
    """Say whether a share of repetitions may come of a probability between the two."""
    count = round(share * repetitions)
    return (
        binom.cdf(count, repetitions, least) > UNLIKELY and binom.sf(count - 1, repetitions, most) > UNLIKELY
    )


@pytest.mark.parametrize("cases", [1_000, 5_000])
def test_intervals_hold_as_often_as_they_say(coverage, cases):
    found = coverage.simulate(coverage.dense(cases), repetitions=REPETITIONS, looks=1)
    assert may_be(found.covered, REPETITIONS, least=0.93, most=0.97)
    assert may_be(found.covered_difference, REPETITIONS, least=0.93, most=0.97)


def test_of_several_slots_at_least_as_often(coverage):
    found = coverage.simulate(coverage.dense(2_000), repetitions=REPETITIONS, looks=1, slots=2)
    assert may_be(found.covered, REPETITIONS, least=0.95)
    assert may_be(found.covered_difference, REPETITIONS, least=0.95)


@pytest.mark.parametrize("click", [0.3, 0.01])
def test_twins_are_not_called_different_more_often_than_stated(coverage, click):
    found = coverage.simulate(coverage.twins(5_000, click), repetitions=REPETITIONS, looks=1)
    assert may_be(found.called, REPETITIONS, most=0.05)


@pytest.mark.parametrize("sparse", [False, True])
def test_sequences_hold_at_every_look(coverage, sparse):
    world = coverage.sparse(10_000) if sparse else coverage.dense(2_000)
    found = coverage.simulate(world, repetitions=100)
    assert may_be(found.missed_ever, 100, most=0.05)
    assert may_be(found.missed_difference_ever, 100, most=0.05)
