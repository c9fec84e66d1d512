"""The reward model: what each action would have got, from the past only."""

import numpy as np
import pytest
from judged import Live, material_of

from loopledger.evaluation.judging import judge
from loopledger.evaluation.probabilities import starts_of
from loopledger.evaluation.rewards import learn_rewards

pytestmark = pytest.mark.usefixtures("lent")


def together(chunks):
    chunks = list(chunks)
    return [
        type(part[0])(
            *(None if column[0] is None else np.concatenate(column) for column in zip(*part, strict=True))
        )
        for part in zip(*chunks, strict=True)
    ]


@pytest.mark.slow
def test_it_foretells_rewards_and_never_from_the_future(tmp_path, vw):
    live = Live(tmp_path / "data", "--cb_explore_adf --epsilon 1.0 -q ::")
    for _ in range(6):
        live.batch(50)
    live.clock.advance(100)
    live.loop.train()
    for first in (1, 200):
        material, plan = material_of(live, tmp_path, first=first, warm=True)
        policy = live.loop.policy
        (_, without) = together(judge(material, plan, vw, policy))
        assert without.expected is None
        learn_rewards(material, plan, vw, policy, (0.0, 1.0))
        cases, own = together(judge(material, plan, vw, policy))
        _, baseline = together(judge(material, plan, vw, "Baseline"))
        _, even = together(judge(material, plan, vw, "Random"))
        _, online = together(judge(material, plan, vw, "Online"))
        foretold = material.rewards(material.decided(len(material) - material.decisions, len(material)))
        begins = starts_of(cases.offered)
        assert len(foretold) == cases.offered.sum()
        assert 0.0 <= foretold.min() < foretold.max() <= 1.0
        assert own.predicted.tolist() == foretold[begins + cases.position].tolist()
        assert baseline.expected.tolist() == foretold[begins].tolist()
        assert even.expected == pytest.approx(np.add.reduceat(foretold, begins) / cases.offered, abs=1e-6)
        assert own.expected == pytest.approx(even.expected, abs=0.03)  # all but even, where epsilon is 1
        assert own.probability.tolist() == without.probability.tolist()
        assert online.expected is None
        known = slice(None) if first > 1 else slice(60, None)
        assert np.corrcoef(own.predicted[known], cases.reward[known])[0, 1] > 0.2
        if first == 1:
            assert not own.predicted[:50].any()
    live.close()


def test_an_apprentices_imitation_is_no_reward(tmp_path, vw):
    live = Live(tmp_path / "data", "--cb_explore_adf --epsilon 0.2", learning_mode="Apprentice")
    live.batch(40)
    live.batch(40)
    live.clock.advance(100)
    live.loop.train()
    material, plan = material_of(live, tmp_path)
    learn_rewards(material, plan, vw, live.loop.policy, (0.0, 1.0))
    _, answers = together(judge(material, plan, vw, live.loop.policy))
    assert not answers.expected.any()
    live.close()


def test_there_is_none_for_several_slots(tmp_path, vw):
    live = Live(tmp_path / "data", "--ccb_explore_adf --epsilon 0.2")
    live.batch(10)
    live.clock.advance(100)
    live.loop.train()
    material, plan = material_of(live, tmp_path)
    learn_rewards(material, plan, vw, live.loop.policy, (0.0, 1.0))
    assert not material.has_rewards
    live.close()
