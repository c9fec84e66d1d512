import numpy as np
import pytest
from evaluated import LOGGED, answers, constant, log

from loopledger.evaluation.cautions import about_policy, about_range
from loopledger.evaluation.declared import Declared
from loopledger.evaluation.tally import Tally

DECLARED = Declared(0.04)


def tallied(cases, said=None):
    tally = Tally(minimum_probability=0.04)
    tally.add(cases, answers(cases, LOGGED) if said is None else said)
    return tally


def names(cautions):
    return [caution.about for caution in cautions]


def of_range(cases, declared=DECLARED):
    tally = tallied(cases)
    return about_range(tally.sums(), tallied(cases, constant(cases, 0.2)).points(), declared)


def test_nothing_to_say_about_a_good_range():
    assert of_range(log(20_000)) == ()
    cases = log(20_000)
    assert tallied(cases, constant(cases, 0.2)).cautions() == ()


@pytest.mark.parametrize(
    ("cases", "about", "says"),
    [
        (log(99), "few-cases", "There are 99 cases"),
        (log(1_000)._replace(reward=np.full(1_000, 0.1)), "same-rewards", "All 1,000 cases"),
        (log(5_000, clicks=(0.004,) * 5), "few-rewards", "Nearly all of 5,000 cases"),
        (log(500, explored=False), "no-exploration", "All 500 cases were decided without exploration"),
        (
            log(500)._replace(explored=np.arange(500) < 200),
            "modes-mixed",
            "300 of 500 cases were decided without exploration",
        ),
    ],
)
def test_about_the_range(cases, about, says):
    (caution,) = of_range(cases)
    assert caution.about == about
    assert caution.says.startswith(says)


@pytest.mark.parametrize(("least", "says"), [(0.1, "0.04, less than the 0.1"), (0.001, "count as 1,000")])
def test_small_propensities(least, says):
    (caution,) = of_range(log(5_000), Declared(least))
    assert caution.about == "small-propensities"
    assert says in caution.says


def test_a_world_that_changes_is_noticed():
    before, after = log(10_000, clicks=(0.3,) * 5), log(10_000, seed=2, clicks=(0.5,) * 5)
    cases = before._replace(reward=np.where(np.arange(10_000) < 5_000, before.reward, after.reward))
    (caution,) = of_range(cases)
    assert caution.about == "changing-reward"
    assert "19 stretches" in caution.says


@pytest.mark.slow
def test_a_world_that_stays_is_seldom_said_to_change():
    said = [names(of_range(log(4_000, seed=seed))) for seed in range(100)]
    assert sum("changing-reward" in about for about in said) <= 2


def test_weights():
    cases = log(1_000)
    tally = tallied(cases, answers(cases, [0, 0.0001, 0.0001, 0.0001, 0.9997]))
    assert "low-effective-sample-size" in names(tally.cautions())
    nowhere = tallied(cases, answers(cases, LOGGED / 3)).cautions()
    assert names(nowhere) == ["missing-support"]
    assert "67%" in nowhere[0].says


def test_imitated():
    cases = log(300)._replace(
        explored=np.arange(300) < 200, propensity=np.where(np.arange(300) < 200, 0.2, 1.0)
    )
    (caution,) = (c for c in tallied(cases, constant(cases, 0.2)).cautions() if c.about == "imitated")
    assert "100 of 300 cases" in caution.says


def test_seen_test_data():
    sums = tallied(log(5_000)).sums()
    assert about_policy(sums) == ()
    learned, chosen = about_policy(sums, learned_inside=1_234, chosen_among=60)
    assert (learned.about, chosen.about) == ("seen-test-data", "chosen-on-test-data")
    assert "1,234 decisions" in learned.says
    assert "60 candidates" in chosen.says
