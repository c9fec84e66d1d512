"""Judging candidates: exactly what they would have said in production."""

from contextlib import closing

import numpy as np
import pytest
from judged import Live, material_of
from quick import slow_but

from loopledger.evaluation.judging import judge
from loopledger.log.events import decode

ALGORITHMS = [
    "--cb_explore_adf --epsilon 0.2 -q ::",
    "--cb_explore_adf --softmax --lambda 3 -q ::",
    "--cb_explore_adf --squarecb --elim -q ::",
    "--cb_explore_adf --regcbopt --cb_min_cost -1 --cb_max_cost 0 -q ::",
    "--cb_explore_adf --bag 4 --random_seed 3",
    "--cb_explore_adf --cover 3 --cb_type dr",
    "--cb_explore_adf --first 20",
    "--ccb_explore_adf --epsilon 0.2 -q ::",
    "--ccb_explore_adf --squarecb -q ::",
]

pytestmark = pytest.mark.usefixtures("lent")


def said(chunks):
    """Return all that was judged as one: cases, and probabilities."""
    chunks = list(chunks)
    cases = [np.concatenate(column) for column in zip(*(cases for cases, _ in chunks), strict=True)]
    return type(chunks[0][0])(*cases), np.concatenate([answers.probability for _, answers in chunks])


@pytest.mark.parametrize(
    "arguments", slow_but({ALGORITHMS[0], ALGORITHMS[2], ALGORITHMS[4], ALGORITHMS[7]}, ALGORITHMS)
)
def test_the_loops_own_policy_says_what_the_loop_did(tmp_path, vw, arguments):
    live = Live(tmp_path / "data", arguments)
    for count in (30, 20, 40, 1, 30):
        live.batch(count)
    live.clock.advance(100)
    live.loop.train()
    material, plan = material_of(live, tmp_path)
    cases, probability = said(judge(material, plan, vw, live.loop.policy))
    assert material.decisions == 121
    assert len(set(probability.tolist())) > 2
    assert probability.tolist() == cases.propensity.tolist()
    live.close()


def trained(live, counts, **how):
    """Let a loop decide and learn in batches, the last of which closes everything."""
    for count in counts:
        live.batch(count, **how)
    live.clock.advance(100)
    live.loop.train()


@pytest.mark.parametrize("arguments", [ALGORITHMS[0], ALGORITHMS[4], ALGORITHMS[8]])
def test_a_warm_candidate_knows_what_came_before_the_range(tmp_path, vw, arguments):
    live = Live(tmp_path / "data", arguments)
    trained(live, (30, 20, 40, 30))
    middle = live.loop.log(event_id="event-0061")
    first = next(iter(middle)).seq
    material, plan = material_of(live, tmp_path, first=first, warm=True)
    cases, probability = said(judge(material, plan, vw, live.loop.policy))
    assert material.decisions == 60
    assert cases.seq[0] == first
    assert probability.tolist() == cases.propensity.tolist()
    cold, plan = material_of(live, tmp_path, first=first)
    _, blank = said(judge(cold, plan, vw, live.loop.policy))
    assert blank.tolist() != probability.tolist()
    live.close()


def test_what_is_counted_and_where_it_ends(tmp_path, vw):
    live = Live(tmp_path / "data", ALGORITHMS[0])
    trained(live, (30, 20, 40))
    material, plan = material_of(live, tmp_path)
    all_cases, all_said = said(judge(material, plan, vw, live.loop.policy))
    since, through = int(all_cases.seq[20]), int(all_cases.seq[69])
    cases, probability = said(judge(material, plan, vw, live.loop.policy, since=since, through=through))
    assert cases.seq.tolist() == all_cases.seq[20:70].tolist()
    assert probability.tolist() == all_said[20:70].tolist()
    live.close()


def test_larger_batches_learn_the_same_later(tmp_path, vw):
    live = Live(tmp_path / "data", ALGORITHMS[0])
    trained(live, (30, 20, 40, 30))
    material, plan = material_of(live, tmp_path)
    _, probability = said(judge(material, plan, vw, live.loop.policy, batch_at_least=10_000))
    assert set(np.round(probability, 6).tolist()) == {round(1 / 3, 6), 0.25}
    _, half = said(judge(material, plan, vw, live.loop.policy, batch_at_least=60))
    _, exact = said(judge(material, plan, vw, live.loop.policy))
    assert half.tolist() != exact.tolist() != probability.tolist()
    live.close()


@pytest.mark.parametrize("arguments", [ALGORITHMS[0], ALGORITHMS[7]])
def test_outside_online_mode_the_callers_own_action_was_taken(tmp_path, vw, arguments):
    live = Live(tmp_path / "data", arguments, learning_mode="Apprentice")
    trained(live, (30, 30))
    live.loop.change_settings(learning_mode="LoggingOnly")
    trained(live, (30, 30))
    material, plan = material_of(live, tmp_path)
    cases, probability = said(judge(material, plan, vw, live.loop.policy))
    assert material.decisions == 120
    assert not cases.explored.any()
    assert (cases.propensity == 1.0).all()
    assert (cases.position == cases.baseline)[cases.slot == 0].all()
    assert material.least_probability == 1.0
    # An apprentice learns to do what the caller does.
    apprentice = (cases.slot == 0) & (cases.seq < cases.seq.max() / 2)
    learned = probability[apprentice]
    assert learned[-20:].mean() > learned[:20].mean() + 0.2
    live.close()


def test_an_apprentices_own_probabilities(tmp_path, vw):
    live = Live(tmp_path / "data", ALGORITHMS[1], learning_mode="Apprentice")
    trained(live, (30, 40, 30))
    material, plan = material_of(live, tmp_path)
    cases, probability = said(judge(material, plan, vw, live.loop.policy))
    logged = []
    with closing(live.place.store.reader()) as reader:
        for record in reader.records(kinds=["Ranked"]):
            event = decode(record.body, record.seq)
            logged.append(dict(zip(event.ranked, event.probabilities, strict=True))[0])
    assert probability.tolist() == logged
    assert len(cases.seq) == 100
    live.close()


def test_what_is_not_judged_is_counted(tmp_path, vw):
    live = Live(tmp_path / "data", ALGORITHMS[0])
    live.batch(30)
    live.decide(5, deferred=True)
    live.decide(10)
    live.clock.advance(100)
    live.loop.train()
    live.loop.relearn(without=["event-0001", "event-0002", "event-0031"])
    live.loop.train()
    live.loop.erase(["event-0003"])
    live.decide(4)
    material, plan = material_of(live, tmp_path)
    cases, _ = said(judge(material, plan, vw, live.loop.policy))
    assert material.left_out == {
        "erased": 1,
        "left out of learning": 3,
        "not activated": 4,
        "window still open": 4,
    }
    assert material.decisions == len(cases.seq) == 30 + 10 - 3
    live.close()


def test_candidates_relearn_nothing_and_are_not_rolled_back(tmp_path):
    live = Live(tmp_path / "data", ALGORITHMS[0])
    trained(live, (30, 40))
    straight, plan = material_of(live, tmp_path)
    steps = plan.trainings
    live.loop.publish(1)
    live.loop.relearn()
    live.loop.train()
    live.batch(30)
    _, plan = material_of(live, tmp_path)
    assert plan.trainings[: len(steps)] == steps
    known = [training.last for training in plan.trainings]
    assert known == sorted(set(known))
    live.close()
    assert straight.decisions == 70
