"""Evaluations: what policies would have earned, and what is refused."""

from contextlib import closing

import pytest
from judged import Live

import loopledger
from loopledger.evaluation.evaluate import evaluate
from loopledger.evaluation.request import Candidate, EvaluationRequest

pytestmark = pytest.mark.usefixtures("lent")

OWN = "--cb_explore_adf --epsilon 0.2 -q ::"
EAGER = loopledger.LearningPolicy("eager", "--cb_explore_adf --epsilon 0.05 -l 2 -q ::")


@pytest.fixture
def live(tmp_path):
    live = Live(tmp_path / "data", OWN)
    for _ in range(6):
        live.batch(40)
    live.clock.advance(100)
    live.loop.train()
    yield live
    live.close()


def evaluated(live, learner, folder, first=1, last=None, **how):
    folder.mkdir(exist_ok=True)
    with closing(live.place.store.reader()) as reader:
        request = EvaluationRequest(first=first, last=last or reader.head().seq, **how)
        return evaluate(reader, learner, request, scratch=folder, models=live.place.checkpoints)


def test_online_is_what_was_earned_and_the_own_policy_is_online(tmp_path, vw, live):
    report = evaluated(
        live,
        vw,
        tmp_path / "scratch",
        candidates=(
            Candidate(name="again", policy=live.loop.policy),
            Candidate(name="eager", policy=EAGER),
            Candidate(name="third", version=3),
        ),
    )
    policies = {judged.name: judged for judged in report.policies}
    assert list(policies) == ["Online", "Baseline", "Random", "again", "eager", "third"]
    online, again = policies["Online"].overall, policies["again"].overall
    assert report.decisions == 240
    assert online.average_reward == pytest.approx(online.sums.reward / 240)
    assert again.sums.weighted_reward == pytest.approx(online.sums.weighted_reward)
    assert again.sums.largest_weight == 1.0
    assert policies["eager"].overall.sums.largest_weight > 1.0
    assert policies["eager"].overall.robust is not None
    assert policies["third"].cautions[0].about == "own-test-data"
    assert not list((tmp_path / "scratch").iterdir())
