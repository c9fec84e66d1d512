"""How well ready policies learn: the benchmark on digits, and on other real sets where they are at hand."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from support import SHARED

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "learning.py"
SETS = SHARED / "data"
FIVE = ("digits", "optdigits", "pendigits", "letter", "ohscal")

pytestmark = pytest.mark.skipif(not BENCHMARK.is_file(), reason="there is no checkout around these tests")


@pytest.fixture
def earned(tmp_path):
    """Run the benchmark; return what each policy earned on average, by policy and set."""
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

    def run(*words):
        out = tmp_path / "out.json"
        subprocess.run([sys.executable, str(BENCHMARK), "--out", str(out), *words], check=True, timeout=600)
        found = json.loads(out.read_bytes())["earned"]
        return {
            policy: {name: statistics.fmean(one[0] for one in seeds) for name, seeds in sets.items()}
            for policy, sets in found.items()
        }

    return run


@pytest.mark.slow
def test_the_recommended_policy_learns_from_little(earned):
    policies = ("--policies", "recommended", "--policies", "personalizer-default")
    found = earned("--sets", "digits", "--seeds", "1", *policies)
    assert found["personalizer-default"]["digits"] < 0.2
    assert found["recommended"]["digits"] > 0.6


@pytest.mark.slow
def test_so_does_the_one_for_several_slots(earned):
    policies = ("--policies", "recommended-slots", "--policies", "personalizer-default-slots")
    found = earned("--sets", "digits-in-slots", "--seeds", "1", "--rounds", "0.5", *policies)
    assert found["personalizer-default-slots"]["digits-in-slots"] < 0.2
    assert found["recommended-slots"]["digits-in-slots"] > 0.4


@pytest.mark.slow
def test_chance_is_chance(earned):
    found = earned("--sets", "digits", "--seeds", "1", "--policies", "--cb_explore_adf --epsilon 1.0")
    (random,) = found.values()
    assert 0.07 < random["digits"] < 0.13


@pytest.mark.slow
@pytest.mark.skipif(not SETS.is_dir(), reason="the real sets stand beside the checkout, in shared/data")
def test_the_floor_over_five_real_sets(earned):
    policies = ("--policies", "recommended", "--policies", "personalizer-default")
    found = earned("--sets", ",".join(FIVE), "--seeds", "1", "--data", str(SETS), *policies)
    mean = {name: statistics.fmean(sets[one] for one in FIVE) for name, sets in found.items()}
    assert mean["recommended"] >= 0.5
    assert mean["personalizer-default"] < 0.25
