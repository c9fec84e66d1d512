"""Searching for better learning policies: found where there are some, and none where there are none."""

import os
import shutil
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from judged import Live

import loopledger
from loopledger.adapters.optimization.proposer import OptunaProposer
from loopledger.adapters.side_by_side import side_by_side
from loopledger.adapters.vw.learner import VwLearner
from loopledger.deciding.draw import uniform_hash
from loopledger.errors import InvalidRequest, LearnerFailed
from loopledger.evaluation.optimize import OWN, WINNER, Means, optimize
from loopledger.evaluation.request import EvaluationRequest, Search

pytestmark = pytest.mark.slow

ACTIONS = {name: {"kind": name} for name in ("sports", "politics", "music", "weather")}
SLOW = loopledger.LearningPolicy("slow", "--cb_explore_adf --epsilon 0.5 --power_t 0 -l 0.001")
START = 1_767_225_600 * 1_000_000


def number(text, below):
    """Return a number below another, which looks random and is the same in every run."""
    return uniform_hash(text) % below


def lived(folder, likes, count=900, **changes):
    """Make a loop that learned next to nothing; `likes` says whether somebody likes an action."""
    clock = loopledger.SimulatedClock(START)
    usual = {"model_update_frequency": 0, "reward_wait_time": 1.0, "reward_range": (0.0, 1.0)}
    settings = loopledger.Settings(**usual, minimum_probability=0.01, **changes)
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", settings=settings, policy=SLOW)
        for place in range(count):
            event_id = f"event-{place:04d}"
            hour = ("morning", "noon", "evening", "night")[number(event_id, 4)]
            decision = loop.rank({"hour": hour}, ACTIONS, event_id=event_id)
            loop.reward(event_id, float(likes(event_id, hour, decision.action)))
            clock.advance(2)
            if place % 100 == 99:
                loop.train()
    return Path(folder, "news")


def by_the_hour(event_id, hour, action):
    """Each hour has its action, which nine of ten like."""
    good = dict(zip(("morning", "noon", "evening", "night"), ACTIONS, strict=True))
    return number(f"{event_id} heard", 10) < (9 if good[hour] == action else 1)


def by_chance(event_id, _hour, _action):
    """Nothing matters."""
    return number(f"{event_id} chance", 10) < 3


@pytest.fixture(scope="module")
def strong(tmp_path_factory):
    return lived(tmp_path_factory.mktemp("strong"), by_the_hour)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return lived(tmp_path_factory.mktemp("noise"), by_chance)


class Searching:
    """Searches a loop's log, a few trials at a time."""

    def __init__(self, folder, learner, scratch):
        self.place = loopledger.adapters.place.in_folder(folder)
        self.learner, self.scratch = learner, scratch
        self.outcomes = []
        self.stop_after = None

    def enough(self):
        return self.stop_after is not None and self.stop_after()

    def optimize(self, trials, journal=None, ready=(), **how):
        self.scratch.mkdir(exist_ok=True)

        def proposer(space, given):
            self.proposer = OptunaProposer(space, given, seed=how.get("seed", 0), width=4, journal=journal)
            return self.proposer

        means = Means(proposer, ready, self.enough, side_by_side, side_by_side, lambda _: None)
        with closing(self.place.store.reader()) as reader:
            request = EvaluationRequest(first=1, last=reader.head().seq, search=Search(trials=trials, **how))
            report = optimize(reader, self.learner, request, means, scratch=self.scratch)
        self.outcomes = self.proposer.earlier()
        return report


@pytest.fixture
def searching(vw, tmp_path):
    return lambda folder: Searching(folder, vw, tmp_path / "scratch")


def test_a_better_policy_is_found_and_judged_on_what_was_held_out(searching, strong):
    report = searching(strong).optimize(trials=12)
    policies = {judged.name: judged for judged in report.policies}
    assert list(policies) == ["Online", "Baseline", "Random", OWN, WINNER]
    found = policies[WINNER]
    assert found.source == "OfflineExperimentation"
    assert found.verdict.judgement == "better"
    assert found.overall.average_reward > 1.5 * policies["Online"].overall.average_reward
    assert found.cautions[-1].about == "optimistic-search"
    searched = report.searched
    assert searched.last < report.first
    assert searched.decisions + report.decisions == 900
    assert searched.best[0].arguments == found.arguments
    assert searched.best[0].average_reward > searched.own.average_reward
    assert loopledger.LearningPolicy(WINNER, found.arguments) == policies_checked(found.arguments)


def policies_checked(arguments):
    from loopledger.policy import policy_from

    return policy_from({"name": WINNER, "arguments": arguments})


def test_no_gain_is_reported_where_there_is_none(searching, noise):
    for seed in range(3):
        report = searching(noise).optimize(trials=12, seed=seed)
        for judged in report.policies:
            assert judged.verdict.judgement != "better"


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(searching, strong, tmp_path):
    whole = searching(strong)
    whole.optimize(trials=14, journal=tmp_path / "whole.journal")
    parts = searching(strong)
    count = threading.Semaphore(21)  # so many chunks are judged, then time is over, in the middle of a trial
    parts.stop_after = lambda: not count.acquire(blocking=False)
    parts.optimize(trials=14, journal=tmp_path / "parts.journal")
    assert 0 < len(parts.outcomes) < 14
    parts.stop_after = None
    parts.optimize(trials=14, journal=tmp_path / "parts.journal")
    assert parts.outcomes == whole.outcomes
    assert len({outcome.arguments for outcome in whole.outcomes}) > 10


def test_a_torn_journal_goes_on(searching, strong, tmp_path):
    journal = tmp_path / "torn.journal"
    first = searching(strong)
    first.optimize(trials=4, journal=journal)
    with journal.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    again = searching(strong)
    again.optimize(trials=8, journal=journal)
    assert again.outcomes[:4] == first.outcomes
    assert len(again.outcomes) == 8


def test_what_is_no_journal_is_named(searching, strong, tmp_path):
    journal = tmp_path / "bad.journal"
    journal.write_bytes(b"not a journal\n")
    with pytest.raises(loopledger.LoopledgerError, match="delete it"):
        searching(strong).optimize(trials=4, journal=journal)


class Killed:
    """A learner whose workers are killed whenever they learn with some exploration."""

    def __init__(self, learner, option):
        self._learner, self._option = learner, option

    def __getattr__(self, name):
        return getattr(self._learner, name)

    def fold(self, policy, *rest):
        if self._option in policy.arguments:
            raise LearnerFailed("the learning process died of SIGKILL")
        return self._learner.fold(policy, *rest)


def test_trials_whose_workers_die_fail_and_the_others_go_on(searching, strong, vw):
    found = searching(strong)
    found.learner = Killed(vw, "--squarecb")
    report = found.optimize(trials=12)
    failed = [outcome for outcome in found.outcomes if outcome.ended == "failed"]
    assert [("--squarecb" in outcome.arguments, outcome.reason) for outcome in failed] == [
        (True, "the learning process died of SIGKILL")
    ] * len(failed)
    assert report.searched.failed == len(failed) > 0
    assert report.searched.winner == WINNER


def test_too_little_to_search_is_named(searching, tmp_path):
    folder = lived(tmp_path / "short", by_chance, count=150)
    with pytest.raises(InvalidRequest, match="held out holds 38"):
        searching(folder).optimize(trials=4)


class Murderous:
    """A learner that kills all its workers now and then, as somebody might who is short of memory."""

    def __init__(self, learner):
        self._learner = learner
        self._folds = 0
        self.killed = 0

    def __getattr__(self, name):
        return getattr(self._learner, name)

    def fold(self, *arguments):
        self._folds += 1
        if self._folds % 40 == 0:
            for worker in [*self._learner._workers._idle, *self._learner._workers._busy]:
                with suppress(ProcessLookupError):
                    os.kill(worker.process, signal.SIGKILL)
                self.killed += 1
        return self._learner.fold(*arguments)


def test_killed_workers_change_nothing(searching, strong):
    undisturbed = searching(strong)
    undisturbed.optimize(trials=6)
    learner = VwLearner(workers=2)
    try:
        disturbed = searching(strong)
        disturbed.learner = Murderous(learner)
        disturbed.optimize(trials=6)
        assert disturbed.learner.killed > 0
        assert disturbed.outcomes == undisturbed.outcomes
    finally:
        learner.close()


async def test_the_async_face_searches_too_and_the_log_says_so(strong, tmp_path):
    folder = shutil.copytree(strong.parent, tmp_path / "data")
    standings = []
    async with loopledger.open_async(folder, workers=2) as ledger:
        loop = await ledger.loop("news")
        report = await loop.optimize(trials=8, budget=None, evaluation_id="mine", progress=standings.append)
        assert (await loop.evaluation("mine")).report == report
        assert report.searched.winner == WINNER
        await loop.apply_evaluation("mine", WINNER)
        assert (await loop.policy()).name == WINNER
    assert standings[-1].trials == 8
    assert standings[-1].best.arguments == report.searched.best[0].arguments


def test_several_slots_can_be_searched_too(searching, tmp_path):
    live = Live(tmp_path / "slots", "--ccb_explore_adf --epsilon 0.4 --power_t 0 -l 0.001")
    for _ in range(6):
        live.batch(80)
    live.clock.advance(100)
    live.loop.train()
    live.close()
    found = searching(tmp_path / "slots" / "news")
    report = found.optimize(trials=12, ready=list(loopledger.ready_policies().values()))
    assert all("--ccb_explore_adf" in outcome.arguments for outcome in found.outcomes)
    assert report.searched.failed == 0
    assert {judged.name for judged in report.policies} >= {"Online", OWN}
