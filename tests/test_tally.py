from itertools import pairwise

import msgspec
import numpy as np
import pytest
from evaluated import LOGGED, MINUTE, OTHER, answers, constant, log
from hypothesis import given
from hypothesis import strategies as st
from open_bandit import cases_of

from loopledger.errors import InvalidRequest
from loopledger.evaluation.cases import Answers
from loopledger.evaluation.merging import merged
from loopledger.evaluation.tally import Tally
from loopledger.evaluation.weighing import pick, pick_answers


def tallied(cases, said, *, least=0.04, cuts=(), **declared):
    tally = Tally(minimum_probability=least, **declared)
    places = [0, *sorted(cuts), len(cases.seq)]
    for begin, end in pairwise(places):
        tally.add(pick(cases, slice(begin, end)), pick_answers(said, slice(begin, end)))
    return tally


def numbers(struct):
    return [float(n) for n in np.hstack([np.ravel(x) for x in msgspec.structs.astuple(struct)[:-1]])]


@given(st.lists(st.integers(0, 600), max_size=6), st.integers(1, 3))
def test_chunks_make_no_difference(cuts, slots):
    cases = log(600, slots=slots)
    said = answers(cases)
    said = Answers(said.probability, said.probability / 2, said.probability / 3)
    whole, cut = tallied(cases, said), tallied(cases, said, cuts=cuts)
    assert numbers(cut.estimate()) == pytest.approx(numbers(whole.estimate()), rel=1e-6)
    assert cut.estimate().sums.decisions == whole.estimate().sums.decisions == 600 // slots
    assert cut.verdict("x").anytime == pytest.approx(whole.verdict("x").anytime, abs=1e-9)
    names = ["first", "second", "third"]
    for one, other in zip(cut.slots(names), whole.slots(names), strict=True):
        assert numbers(one.estimate) == pytest.approx(numbers(other.estimate), rel=1e-6)


def test_slots_have_points_of_their_own():
    cases = log(900, slots=3, seconds=10)
    tally = tallied(cases, answers(cases))
    slots = tally.slots(["first", "second", "third"])
    for place, slot in enumerate(slots):
        assert merged(point.sums for point in slot.over_time) == slot.estimate.sums
        assert [point.at for point in slot.over_time] == [point.at for point in tally.points()]
        begin = tally.points()[1].at
        inside = (cases.slot == place) & (cases.at >= begin) & (cases.at < begin + 5 * MINUTE)
        assert slot.over_time[1].sums.reward == cases.reward[inside].sum()


def test_points_hold_what_was_decided_in_them():
    cases = log(2_000, seconds=10)
    tally = tallied(cases, answers(cases), minute_width=10)
    points = tally.points()
    assert [point.at for point in points] == [nth * 10 * MINUTE for nth in range(len(points))]
    assert {point.sums.cases for point in points[:-1]} == {60}
    assert points[3].sums.reward == cases.reward[180:240].sum()


def test_a_better_and_a_worse_policy():
    cases = log(20_000)
    better = tallied(cases, answers(cases, OTHER)).verdict("Candidate")
    assert better.judgement == "better"
    assert (
        better.interval[0]
        < 0.5 * 0.96 + 0.3 * 0.01 + 0.1 * 0.03 - (0.84 * 0.3 + 0.04 * 0.8)
        < better.interval[1]
    )
    assert better.anytime[0] > 0
    assert better.cases_needed is None
    assert better.says.startswith("Candidate would have earned between ")
    worse = tallied(cases, answers(cases, [0.01, 0.01, 0.01, 0.01, 0.96])).verdict("Candidate")
    assert worse.judgement == "worse"
    assert worse.interval[1] < 0
    assert worse.difference < 0


def test_what_decides_alike_is_itself_however_many_cases_there_are():
    for slots in (1, 3):
        cases = log(6_000, slots=slots)
        verdict = tallied(cases, answers(cases, LOGGED)).verdict("Copy")
        assert verdict.judgement == "itself"
        assert verdict.difference == pytest.approx(0, abs=1e-9)
        assert verdict.interval == pytest.approx((0, 0), abs=1e-6)


def test_what_is_needed_is_enough():
    clicks = (0.2, 0.28, 0.2, 0.2, 0.2)
    few = log(1_500, clicks=clicks, seed=4)
    verdict = tallied(few, answers(few)).verdict("Candidate")
    assert verdict.judgement == "not enough data"
    assert verdict.interval[0] < 0 < verdict.interval[1]
    assert f"{verdict.cases_needed:,}" in verdict.says
    many = log(20_000, clicks=clicks, seed=5)
    assert tallied(many, answers(many)).verdict("Candidate").judgement == "better"


def test_fewer_than_a_hundred_cases_tell_nothing():
    cases = log(99)._replace(reward=np.zeros(99), position=np.zeros(99, dtype=np.int64))
    verdict = tallied(cases, constant(cases, 0.2)).verdict("Candidate")
    assert verdict.judgement == "not enough data"
    assert Tally(minimum_probability=0.1).verdict("Candidate").judgement == "not enough data"


def test_womens_campaign_from_the_sampler_to_uniform_is_refused():
    cases, _ = cases_of("bts", "women")
    tally = tallied(cases, constant(cases, 1 / 46), least=float(cases.propensity.min()))
    verdict = tally.verdict("Uniform")
    assert tally.estimate().effective_sample_size == pytest.approx(2, abs=0.2)
    assert verdict.judgement == "no answer"
    assert "worth no more than 2 of its own" in verdict.says
    assert {"low-effective-sample-size", "one-case-decides"} <= {c.about for c in tally.cautions()}


def test_without_exploration_nothing_is_said_of_another_policy():
    cases = log(1_000, explored=False)._replace(
        propensity=np.ones(1_000), position=np.zeros(1_000, dtype=int)
    )
    verdict = tallied(cases, constant(cases, 0.7), least=1.0).verdict("Candidate")
    assert verdict.judgement == "no answer"
    assert "1,000 of 1,000 cases were decided without exploration" in verdict.says
    assert tallied(cases, constant(cases, 1), least=1.0).verdict("Baseline").judgement == "itself"


def test_what_nobody_tried_is_not_said_to_be_known():
    cases = log(2_000, explored=False)._replace(propensity=np.ones(2_000))
    tally = tallied(cases, constant(cases, 0.5), least=1.0)
    estimate, verdict = tally.estimate(), tally.verdict("other")
    assert estimate.interval == estimate.anytime == (0.0, 1.0)
    assert verdict.interval == verdict.anytime == (-1.0, 1.0)
    (slot,) = tally.slots(["only"])
    assert slot.estimate.interval == slot.estimate.anytime == (0.0, 1.0)


def test_missing_support_is_no_answer():
    cases = log(5_000)
    never = tallied(cases, constant(cases, 0)).verdict("Candidate")
    assert never.judgement == "no answer"
    assert "In none of 5,000 cases" in never.says
    elsewhere = tallied(cases, answers(cases, LOGGED / 2)).verdict("Candidate")
    assert elsewhere.judgement == "no answer"
    assert "50%" in elsewhere.says


def test_rewards_beyond_the_declared_range_widen_it():
    cases = log(1_000)
    cases = cases._replace(reward=cases.reward * 3)
    tally = tallied(cases, answers(cases))
    assert tally.range_in_force().reward_range == (0.0, 3.0)
    assert tally.estimate().interval[1] > 1
    assert "rewards-outside-range" in {c.about for c in tally.cautions()}


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ({"minimum_probability": 0}, "minimum_probability"),
        ({"minimum_probability": 1.5}, "minimum_probability"),
        ({"minimum_probability": 0.1, "reward_range": (1.0, 1.0)}, "reward_range"),
        ({"minimum_probability": 0.1, "reward_range": (0.0, float("nan"))}, "reward_range"),
        ({"minimum_probability": 0.1, "minute_width": 7}, "minute_width"),
    ],
)
def test_what_cannot_be_declared(declared, field):
    with pytest.raises(InvalidRequest, match=f"^{field}: must"):
        Tally(**declared)


def test_a_propensity_of_zero_is_named():
    cases = log(10)._replace(propensity=np.zeros(10))
    with pytest.raises(InvalidRequest, match="propensity: must be above 0"):
        Tally(minimum_probability=0.1).add(cases, answers(cases))
