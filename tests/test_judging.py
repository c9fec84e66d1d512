"""Judging candidates: exactly what they would have said in production."""

import numpy as np
import pytest
from judged import Live, material_of

from loopledger.evaluation.judging import judge

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


@pytest.mark.parametrize("arguments", ALGORITHMS)
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
