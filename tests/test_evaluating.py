"""Evaluating a loop from Python: both faces, what is recorded of it, and what comes of it."""

import asyncio
import inspect
import math
import shutil

import learned
import pytest
from processes import Child

import loopledger
from loopledger.adapters.embedding import evaluating
from loopledger.adapters.embedding.view import LoopView
from loopledger.errors import (
    Conflict,
    InvalidRequest,
    LearnerFailed,
    LoopInUse,
    LoopledgerError,
    NotFound,
)

pytestmark = pytest.mark.usefixtures("lent")

SQUARE = loopledger.LearningPolicy("square", "--cb_explore_adf --squarecb --gamma_scale 100 -q :i -q :j")
SOFT = loopledger.LearningPolicy("soft", "--cb_explore_adf --softmax --lambda 2 -q :i")
SLOTS = loopledger.LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2")
OWN = ["Online", "Baseline", "Random"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluating")
    learned.make(folder, rounds=2)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A data folder with a loop that has learned twice, `news`."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def clock():
    clock = loopledger.SimulatedClock(learned.START)
    clock.advance(10_000)
    return clock


@pytest.fixture
def loop(folder, clock):
    with loopledger.open(folder, clock=clock) as ledger:
        yield ledger.loop("news")


def events(loop):
    return loop.status().events


def test_it_is_computed_and_recorded(loop):
    told = []
    last = events(loop)
    report = loop.evaluate(
        [SQUARE, {"name": "soft", "arguments": SOFT.arguments}],
        versions=[1],
        progress=lambda *so_far: told.append(so_far),
    )
    assert [judged.name for judged in report.policies] == [*OWN, "square", "soft", "version 1"]
    assert (report.loop, report.first, report.last) == ("news", 1, last)
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert 0 < done[-1] <= told[-1][1]
    (record,) = loop.evaluations()
    assert (record.name, record.status, record.report) == ("square, soft, version 1", "Succeeded", None)
    assert loop.evaluation(record.id).report == report
    assert [entry.kind for entry in loop.log(first=last + 1)] == [
        "EvaluationRequested",
        "EvaluationReported",
        "EvaluationEnded",
    ]
    assert loop.verify().holds


def test_what_is_asked_is_what_is_recorded(loop):
    loop.evaluate(
        {"mine": SQUARE},
        since=20,
        until="2026-01-01T00:05:00Z",
        warm=True,
        reward_range=(-1, 2),
        name="before five",
        evaluation_id="five",
    )
    record = loop.evaluation("five")
    assert record.name == "before five"
    assert (record.request.first, record.request.warm, record.request.reward_range) == (20, True, (-1.0, 2.0))
    (candidate,) = record.request.candidates
    assert (candidate.name, candidate.policy) == ("mine", SQUARE)
    times = {entry.seq: entry.at for entry in loop.log(last=record.request.last + 1)}
    assert times[record.request.last] <= learned.START + 300_000_000 < times[record.request.last + 1]
    assert record.report.reward_range[0] == -1.0


def test_a_view_evaluates_and_records_nothing(vw, loop):
    last = events(loop)
    view = LoopView("news", loop.place, vw)
    seen = view.evaluate([SQUARE])
    assert events(loop) == last
    assert view.evaluations() == []
    assert loop.evaluate([SQUARE], evaluation_id="one") == seen
    assert view.evaluation("one").report == seen
    for name in ("evaluate", "evaluation", "evaluations"):
        mine, its = (inspect.signature(getattr(one, name)).parameters for one in (loop, view))
        assert set(mine) - set(its) <= {"name", "evaluation_id"}


def test_the_loop_goes_on_meanwhile(loop):
    ranked = []

    def progress(*_):
        if len(ranked) < 3:
            ranked.append(loop.rank({"hour": 1}, learned.ACTIONS).event_id)
            loop.reward(ranked[-1], 1.0)

    before = loop.evaluate([SQUARE], evaluation_id="alone")
    seq = events(loop)
    report = loop.evaluate([SQUARE], until=loop.evaluation("alone").request.last, progress=progress)
    assert len(ranked) == 3
    assert events(loop) == seq + 3 + 6
    assert report == before


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"policies": "square"}, "policies"),
        ({"policies": 7}, "policies"),
        ({"policies": [7]}, "policy"),
        ({"policies": [{"name": "x", "arguments": "--cb_explore_adf --data /etc/passwd"}]}, "policy"),
        ({"policies": [SQUARE, SQUARE]}, "policies[1].name"),
        ({"policies": {"Online": SQUARE}}, "policies[0].name"),
        ({"policies": {"": SQUARE}}, "policies[0].name"),
        ({"policies": [SLOTS]}, "policies"),
        ({"policies": [SQUARE], "versions": [1, 1]}, "versions[1]"),
        ({"versions": 1}, "versions"),
        ({"versions": ["1"]}, "versions"),
        ({"reward_range": (1, 0)}, "reward_range"),
        ({"reward_range": 1}, "reward_range"),
        ({"reward_range": ("a", "b")}, "reward_range"),
        ({"reward_range": (0, float("nan"))}, "reward_range"),
        ({"reward_range": (0, 1e308)}, "reward_range"),
        ({"reward_range": (0, 1e-300)}, "reward_range"),
        ({"since": 100_000}, "since"),
        ({"since": 30, "until": 20}, "since"),
        ({"since": "2030-01-01"}, "since"),
        ({"until": "2020-01-01"}, "since"),
        ({"since": "yesterday"}, "time"),
        ({"since": 1.5}, "since"),
        ({"evaluation_id": ""}, "evaluation_id"),
        ({"evaluation_id": 7}, "evaluation_id"),
        ({"name": ""}, "name"),
    ],
)
def test_what_cannot_be_evaluated(loop, asked, field):
    last = events(loop)
    with pytest.raises(InvalidRequest) as raised:
        loop.evaluate(**asked)
    assert field in raised.value.field
    assert events(loop) == last
    assert loop.evaluations() == []


@pytest.mark.parametrize("reward_range", [(0, 1e12), (-1e12, 1e12), (0, 1e-9)])
def test_the_widest_and_the_narrowest_range_of_rewards(loop, reward_range):
    report = loop.evaluate(reward_range=reward_range)
    assert all(math.isfinite(end) for policy in report.policies for end in policy.overall.interval)


def test_the_name_that_nobody_gave_is_never_too_long(loop):
    loop.change_settings(limits={"id_length": 32})
    loop.evaluate({"first of two long names": SQUARE, "second of two long names": SQUARE})
    (found,) = loop.evaluations()
    assert found.name == "first of two long names, second"


def test_versions_and_evaluations_that_there_are_not(loop):
    last = events(loop)
    for call in (
        lambda: loop.evaluate(versions=[99]),
        lambda: loop.evaluation("none"),
        lambda: loop.delete_evaluation("none"),
        lambda: loop.apply_evaluation("none", "square"),
    ):
        with pytest.raises(NotFound):
            call()
    assert events(loop) == last


def test_a_policy_that_the_engine_refuses(loop, monkeypatch, vw):
    def probe(*_):
        raise LearnerFailed("unheard of")

    last = events(loop)
    monkeypatch.setattr(vw, "probe", probe)
    with pytest.raises(InvalidRequest, match="refused: unheard of"):
        loop.evaluate([SQUARE])
    assert events(loop) == last


def test_a_log_with_nothing_in_it(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        loop = ledger.create("empty")
        with pytest.raises(InvalidRequest, match="loop: has no decision yet"):
            loop.evaluate([SQUARE])
        assert events(loop) == 1


def test_in_memory(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        loop = ledger.create("news", settings=loopledger.Settings(model_update_frequency=0))
        learned.live(loop, clock, 0)
        loop.train()
        report = loop.evaluate([SQUARE], evaluation_id="one")
        assert loop.evaluation("one").report == report
        assert report.decisions > 0


def test_a_range_whose_bodies_are_erased(loop):
    entries = list(loop.log(kinds=["Ranked"]))
    first = [entry.event_id for entry in entries[:10]]
    loop.erase(first)
    last = events(loop)
    with pytest.raises(InvalidRequest, match="were erased"):
        loop.evaluate([SQUARE], until=entries[9].seq)
    assert events(loop) == last
    report = loop.evaluate([SQUARE], until=entries[29].seq)
    assert report.left_out["erased"] == 10
    assert report.policies[0].overall.sums.cases + sum(report.left_out.values()) == 30


def test_without_the_extra_a_sentence_says_which(loop, monkeypatch):
    last = events(loop)
    monkeypatch.setattr(evaluating, "find_spec", lambda name: None if name == "scipy" else object())
    with pytest.raises(LoopledgerError, match=r"loopledger\[evaluation\]"):
        loop.evaluate()
    assert events(loop) == last
    assert loop.evaluations() == []


def test_what_fails_half_way_is_recorded(loop):
    def fails(*_):
        raise LearnerFailed("the disk is full")

    with pytest.raises(LearnerFailed):
        loop.evaluate([SQUARE], evaluation_id="one", progress=fails)
    record = loop.evaluation("one")
    assert (record.status, record.reason, record.report) == ("Failed", "the disk is full", None)
    assert loop.verify().holds
    with pytest.raises(Conflict, match="already"):
        loop.evaluate([SQUARE], evaluation_id="one")
    loop.delete_evaluation("one")
    assert loop.evaluate([SQUARE], evaluation_id="one").decisions > 0


class TestApplying:
    @pytest.fixture
    def evaluated(self, loop):
        loop.evaluate({"mine": SQUARE, "soft": SOFT}, versions=[1], evaluation_id="one")
        return loop

    def test_a_policy_is_put_in_force_and_taken_back(self, evaluated):
        before = (evaluated.policy, evaluated.status().published)
        receipt = evaluated.apply_evaluation("one", "mine")
        assert evaluated.policy == SQUARE
        (begun,) = evaluated.log(kinds=["RelearningBegun"])
        assert (begun.seq, begun.as_dict()["body"]["evaluation"]) == (receipt.seq, "one")
        (applied,) = evaluated.evaluation("one").applied
        assert (applied.seq, applied.policy) == (receipt.seq, "square")
        # The past is known, and the model that knows it answers.
        status = evaluated.status()
        assert status.published == status.versions > before[1]
        assert status.waiting_decisions == 0
        newest = evaluated.models()[-1]
        assert (newest.evaluation, newest.policy) == ("one", SQUARE)
        decision = evaluated.rank({"hour": 1}, learned.ACTIONS)
        assert evaluated.why(decision.event_id).evaluation == "one"
        assert evaluated.apply_evaluation("one", "mine") is None
        evaluated.restore_policy()
        assert (evaluated.policy, evaluated.status().published) == before
        assert evaluated.rank({"hour": 1}, learned.ACTIONS).model_version == before[1]
        assert evaluated.why(evaluated.rank({}, learned.ACTIONS).event_id).evaluation is None
        assert evaluated.verify().holds

    def test_it_is_the_model_that_relearning_makes(self, evaluated):
        evaluated.apply_evaluation("one", "mine")
        applied = evaluated.model()
        evaluated.restore_policy()
        evaluated.relearn(SQUARE)
        evaluated.train()
        assert evaluated.model().data == applied.data

    def test_online_changes_nothing(self, evaluated):
        last = events(evaluated)
        assert evaluated.apply_evaluation("one", "Online") is None
        assert events(evaluated) == last

    def test_what_cannot_be_applied(self, evaluated):
        evaluated.directory.get("news").ask(
            loopledger.adapters.embedding.evaluating_loop.RequestEvaluation(
                "running", "running", loopledger.EvaluationRequest(first=1, last=3)
            )
        )
        last = events(evaluated)
        for evaluation, name, error, sentence in (
            ("one", "theirs", NotFound, "there are Online, Baseline"),
            ("one", "Baseline", Conflict, "LoggingOnly"),
            ("one", "Random", Conflict, "epsilon"),
            ("one", "version 1", Conflict, "rollback"),
            ("running", "mine", Conflict, "not done yet"),
        ):
            with pytest.raises(error, match=sentence):
                evaluated.apply_evaluation(evaluation, name)
        assert events(evaluated) == last


CHILD = """
import sys, time
import loopledger

def at_it(done, total):
    print("at it", flush=True)
    time.sleep(60)

with loopledger.open(sys.argv[1]) as ledger:
    ledger.loop("news").evaluate(evaluation_id="one", progress=at_it)
"""


@pytest.mark.slow
def test_what_a_killed_process_left_behind_is_ended_by_the_next(folder, clock, tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    with Child(script, folder) as child:
        assert child.line() == ["at", "it"]
        with pytest.raises(LoopInUse), loopledger.open(folder, clock=clock) as ledger:
            ledger.loop("news")
        child.kill()
        child.end()
    with loopledger.open(folder, clock=clock) as ledger:
        loop = ledger.loop("news")
        record = loop.evaluation("one")
        assert record.status == "Failed"
        assert "ask for it again" in record.reason
        assert loop.verify().holds
        last = events(loop)
    with loopledger.open(folder, clock=clock) as ledger:
        loop = ledger.loop("news")
        assert events(loop) == last
        loop.delete_evaluation("one")
        assert loop.evaluate(evaluation_id="one").decisions > 0


async def test_the_async_face(folder, clock):
    async with loopledger.open_async(folder, clock=clock) as ledger:
        loop = await ledger.loop("news")
        before = (await loop.status()).published
        evaluation = asyncio.create_task(loop.evaluate([SQUARE], evaluation_id="one"))
        decision = await loop.rank({"hour": 1}, learned.ACTIONS)
        report = await evaluation
        assert [judged.name for judged in report.policies] == [*OWN, "square"]
        assert (await loop.evaluation("one")).report == report
        receipt = await loop.apply_evaluation("one", "square")
        assert [one.applied[0].seq for one in await loop.evaluations()] == [receipt.seq]
        assert await loop.policy() == SQUARE
        await loop.restore_policy()
        assert (await loop.status()).published == before
        await loop.delete_evaluation("one")
        assert await loop.evaluations() == []
        assert decision.model_version == before


def test_both_faces_take_the_same():
    for name in (
        "evaluate",
        "evaluation",
        "evaluations",
        "delete_evaluation",
        "apply_evaluation",
        "restore_policy",
    ):
        blocking, other = (getattr(face, name) for face in (loopledger.Loop, loopledger.AsyncLoop))
        assert str(inspect.signature(blocking)) == str(inspect.signature(other))
