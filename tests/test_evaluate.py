"""Evaluations: what policies would have earned, and what is refused."""

import os
import re
import signal
from contextlib import closing

import pytest
from judged import Live
from support import Lent

from loopledger import InvalidRequest, LearningPolicy, NotFound
from loopledger.adapters.embedding import directory
from loopledger.adapters.side_by_side import side_by_side
from loopledger.adapters.vw.learner import VwLearner
from loopledger.evaluation import schedule
from loopledger.evaluation.evaluate import evaluate
from loopledger.evaluation.request import Candidate, EvaluationRequest

pytestmark = pytest.mark.usefixtures("lent")

OWN = "--cb_explore_adf --epsilon 0.2 -q ::"
EAGER = LearningPolicy("eager", "--cb_explore_adf --epsilon 0.05 -l 2 -q ::")


def lived(folder):
    live = Live(folder, OWN)
    for _ in range(6):
        live.batch(40)
    live.clock.advance(100)
    live.loop.train()
    return live


@pytest.fixture(scope="module")
def past(tmp_path_factory, vw):
    """Return a loop to which nothing happens any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directory, "VwLearner", lambda _: Lent(vw))
        live = lived(tmp_path_factory.mktemp("past") / "data")
        yield live
        live.close()


@pytest.fixture
def live(tmp_path):
    live = lived(tmp_path / "data")
    yield live
    live.close()


def evaluated(live, learner, folder, **asked):
    folder.mkdir(exist_ok=True)
    with closing(live.place.store.reader()) as reader:
        request = EvaluationRequest(**{"first": 1, "last": reader.head().seq, **asked})
        return evaluate(reader, learner, request, scratch=folder, models=live.place.checkpoints)


def test_online_is_what_was_earned_and_the_own_policy_is_online(tmp_path, vw, past):
    report = evaluated(
        past,
        vw,
        tmp_path / "scratch",
        candidates=(
            Candidate(name="again", policy=past.loop.policy),
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
    learned = sum(version.decisions for version in past.loop.models()[:3])
    assert f"learned from {learned} decisions" in policies["third"].cautions[0].says
    assert not list((tmp_path / "scratch").iterdir())


class Killing:
    """A learner whose worker is killed in the middle of a fold or an answer, a few times."""

    def __init__(self, learner, policy, times):
        self.learner, self.policy, self.left = learner, policy, times

    def __getattr__(self, name):
        return getattr(self.learner, name)

    def fold(self, policy, parent, examples, *what):
        return self.learner.fold(policy, parent, self.deadly(policy, examples), *what)

    def answers(self, policy, model, contexts, *what):
        return self.learner.answers(policy, model, self.deadly(policy, contexts), *what)

    def deadly(self, policy, lines):
        for number, line in enumerate(lines):
            if number == 5 and policy == self.policy and self.left:
                self.left -= 1
                for worker in list(self.learner._workers._busy):
                    os.kill(worker.process, signal.SIGKILL)
            yield line


def contents(folder):
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"
    }


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_once(tmp_path, vw, past):
    candidates = (Candidate(name="eager", policy=EAGER), Candidate(name="again", policy=past.loop.policy))
    expected = evaluated(past, vw, tmp_path / "scratch", candidates=candidates)
    with closing(VwLearner(workers=1)) as learner:
        killing = Killing(learner, EAGER, 1)
        assert evaluated(past, killing, tmp_path / "scratch", candidates=candidates) == expected
        assert killing.left == 0


@pytest.mark.slow
def test_a_candidate_that_fails_is_named_and_the_others_are_judged(tmp_path, vw, past):
    before = contents(past.place.folder)
    candidates = (
        Candidate(name="eager", policy=EAGER),
        Candidate(name="refused", policy=LearningPolicy("r", "--cb_explore_adf --cb_type dm --squarecb")),
        Candidate(name="again", policy=past.loop.policy),
    )
    with closing(VwLearner(workers=1)) as learner:
        report = evaluated(past, Killing(learner, EAGER, 2), tmp_path / "scratch", candidates=candidates)
    eager, refused, again = report.policies[3:]
    assert "SIGKILL" in eager.failed
    assert eager.overall.sums.cases == 0
    assert eager.verdict is None
    assert "engine says" in refused.failed
    assert again == evaluated(past, vw, tmp_path / "scratch", candidates=candidates[2:]).policies[3]
    assert contents(past.place.folder) == before
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
def test_side_by_side_comes_to_the_same(tmp_path, vw, past):
    candidates = (
        Candidate(name="eager", policy=EAGER),
        Candidate(name="second", version=2),
        Candidate(name="again", policy=past.loop.policy),
    )
    told = []
    expected = evaluated(past, vw, tmp_path / "scratch", candidates=candidates)
    with closing(past.place.store.reader()) as reader:
        request = EvaluationRequest(first=1, last=reader.head().seq, candidates=candidates)
        report = evaluate(
            reader,
            vw,
            request,
            scratch=tmp_path / "scratch",
            run=side_by_side,
            progress=lambda done, total: told.append((done, total)),
        )
    assert report == expected
    assert told[-1] == (max(told)[0], told[0][1])
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"first": 0}, "first"),
        ({"first": 9, "last": 8}, "first"),
        ({"last": 10_000}, "last"),
        ({"last": 1}, "first"),
        ({"reward_range": (1.0, 1.0)}, "reward_range"),
        ({"candidates": (Candidate(name="baseline", version=1),)}, r"candidates\[0\]\.name"),
        ({"candidates": (Candidate(name=" ", version=1),)}, r"candidates\[0\]\.name"),
        (
            {"candidates": (Candidate(name="a", version=1), Candidate(name="A", version=2))},
            r"candidates\[1\]",
        ),
        ({"candidates": (Candidate(name="a"),)}, r"candidates\[0\]"),
        ({"candidates": (Candidate(name="a", version=1, policy=EAGER),)}, r"candidates\[0\]"),
        (
            {"candidates": (Candidate(name="a", policy=LearningPolicy("p", "--cb_explore_adf -f x")),)},
            r"candidates\[0\]\.policy\.arguments",
        ),
        (
            {"candidates": (Candidate(name="a", policy=LearningPolicy("p", "--ccb_explore_adf")),)},
            "candidates",
        ),
        (
            {
                "candidates": (
                    Candidate(name="a", policy=EAGER),
                    Candidate(name="b", policy=LearningPolicy("p", "--ccb_explore_adf")),
                )
            },
            "candidates",
        ),
    ],
)
def test_what_cannot_be_evaluated(tmp_path, vw, past, asked, field):
    with pytest.raises(InvalidRequest, match=field) as caught:
        evaluated(past, vw, tmp_path / "scratch", **asked)
    assert re.match(field, caught.value.field)


def test_a_version_that_is_not_there(tmp_path, vw, past):
    with pytest.raises(NotFound, match="version 99"):
        evaluated(past, vw, tmp_path / "scratch", candidates=(Candidate(name="a", version=99),))


def test_a_range_in_which_everything_is_open_or_erased(tmp_path, vw, live):
    seq = live.loop.status().events
    live.decide(2)
    with pytest.raises(InvalidRequest, match="2 window still open"):
        evaluated(live, vw, tmp_path / "scratch", first=seq + 1)
    live.clock.advance(100)
    live.loop.train()
    live.loop.erase(["event-0241", "event-0242"])
    with pytest.raises(InvalidRequest, match="2 erased"):
        evaluated(live, vw, tmp_path / "scratch", first=seq + 1)


def test_a_range_that_spans_modes_policies_and_kinds(tmp_path, vw, live):
    live.loop.change_settings(learning_mode="LoggingOnly")
    live.batch(20)
    live.loop.change_policy(LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2"))
    live.batch(30)
    live.clock.advance(100)
    live.loop.train()
    report = evaluated(live, vw, tmp_path / "scratch", candidates=(Candidate(name="eager", policy=EAGER),))
    assert {caution.about for caution in report.cautions} >= {"other-kind", "modes-mixed", "policy-changes"}
    assert "learned anew once in the range" in " ".join(caution.says for caution in report.cautions)
    assert report.decisions == 260
    slots = Candidate(name="slots", policy=LearningPolicy("s", "--ccb_explore_adf --epsilon 0.1"))
    report = evaluated(live, vw, tmp_path / "scratch", candidates=(slots,))
    assert report.decisions == 30
    judged = report.policies[3]
    assert [slot.slot for slot in judged.slots] == ["top", "side", "foot"]
    assert judged.overall.sums.cases == 90
    assert judged.overall.robust is None


def test_where_the_loop_never_learned_candidates_learn_by_count(tmp_path, vw, monkeypatch):
    monkeypatch.setattr(schedule, "BATCH", 50)
    live = Live(tmp_path / "data", OWN)
    live.decide(300)
    live.clock.advance(100)
    live.decide(1)
    report = evaluated(live, vw, tmp_path / "scratch", candidates=(Candidate(name="eager", policy=EAGER),))
    assert "no-training" in [caution.about for caution in report.cautions]
    online, _, _, eager = report.policies
    assert eager.overall.sums.largest_weight > 1.0
    assert eager.overall.snips > online.overall.average_reward
    assert report.left_out == {"window still open": 1}
    live.close()
