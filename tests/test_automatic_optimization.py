"""Automatic optimization: when it is due, what it looks at, and what it does about what it found."""

import threading
from contextlib import closing
from time import sleep

import pytest
from msgspec.structs import replace
from test_optimize import SLOW, START, by_chance, by_the_hour, lived

import loopledger
from loopledger.adapters.embedding.moments import microseconds
from loopledger.clock import SECOND
from loopledger.errors import InvalidRequest
from loopledger.evaluation import automatic
from loopledger.evaluation.automatic import automatic_request, is_to_apply, next_optimization
from loopledger.evaluation.request import Search
from loopledger.settings import settings_from

pytestmark = pytest.mark.slow

DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("start", "since", "due"),
    [
        (None, 5 * DAY, 7 * DAY),
        ("1970-01-11T00:00:00Z", 5 * DAY, 10 * DAY),
        ("1970-01-02T00:00:00+00:00", 5 * DAY, 7 * DAY),
        ("1970-01-02T00:00:00", 7 * DAY, 9 * DAY),
    ],
)
def test_it_is_due_a_frequency_after_the_last_or_counted_from_its_start(start, since, due):
    settings = settings_from({"auto_optimization_frequency": 2 * 86_400.0, "auto_optimization_start": start})
    begin = None if start is None else microseconds(start)
    assert next_optimization(settings, begin, since) == due


@pytest.mark.parametrize(
    "start", ["tomorrow", "", "2026-13-01", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00Q"]
)
def test_a_start_must_be_a_time(start):
    with pytest.raises(InvalidRequest, match="auto_optimization_start"):
        settings_from({"auto_optimization_start": start})


def test_it_looks_at_two_weeks_or_further_back_where_little_happened(tmp_path, monkeypatch):
    folder = lived(tmp_path / "data", by_chance, count=120)
    place = loopledger.adapters.place.in_folder(folder)
    with closing(place.store.reader()) as reader:
        ranks = [record.seq for record in reader.records(kinds=("Ranked",))]
        now = reader.head().at
        everything = automatic_request(reader, now)
        monkeypatch.setattr(automatic, "MUCH", 50)
        far = automatic_request(reader, now + 15 * DAY)
        near = automatic_request(reader, now + 14 * DAY - 120 * SECOND)
    assert everything.first == 1
    assert far.first == ranks[-50]
    assert far.last == everything.last
    assert ranks[-62] < near.first <= ranks[-60]


@pytest.fixture
def short(monkeypatch):
    """Let searches be short, and always the same."""
    from loopledger.adapters.embedding import automatic as adapter

    def request(reader, now):
        made = automatic_request(reader, now)
        return loopledger.EvaluationRequest(
            first=made.first, last=made.last, warm=True, search=Search(trials=8)
        )

    monkeypatch.setattr(adapter, "automatic_request", request)


def weeks(folder, likes):
    """Return an open ledger over a loop that lived a little, and its clock."""
    path = lived(folder, likes)
    with closing(loopledger.adapters.place.in_folder(path).store.reader()) as reader:
        clock = loopledger.SimulatedClock(reader.head().at + SECOND)
    return loopledger.open(folder, clock=clock, workers=2), clock


@pytest.mark.usefixtures("short")
def test_a_better_policy_is_put_in_force_and_taken_back_by_one_command(tmp_path, caplog):
    ledger, clock = weeks(tmp_path / "data", by_the_hour)
    with ledger:
        loop = ledger.loop("news")
        clock.advance(30 * 86_400)
        assert loop.evaluations() == []
        caplog.set_level("INFO", "loopledger")
        loop.change_settings(auto_optimization=True)
        clock.advance(7 * 86_400 - 1)
        assert loop.evaluations() == []
        clock.advance(2)
        (done,) = loop.evaluations()
        assert (done.automatic, done.optimizes) == (True, True)
        assert (done.status, done.policy) == ("OptimalPolicyApplied", "optimized")
        assert done.applied[0].policy == loop.policy.name == "optimized"
        assert loop.status().published == loop.models()[-1].version
        assert any("automatic optimization ended" in record.getMessage() for record in caplog.records)
        loop.restore_policy()
        assert loop.policy == SLOW


@pytest.mark.usefixtures("short")
def test_where_nothing_is_better_the_policy_stays(tmp_path):
    ledger, clock = weeks(tmp_path / "data", by_chance)
    with ledger:
        loop = ledger.loop("news")
        loop.change_settings(auto_optimization=True, auto_optimization_frequency=86_400)
        clock.advance(86_401)
        (done,) = loop.evaluations()
        assert done.status == "OnlinePolicyRetained"
        assert done.applied == ()
        assert loop.policy == SLOW


def test_too_little_fails_and_is_tried_again_when_it_is_due_next(tmp_path):
    clock = loopledger.SimulatedClock(START)
    settings = loopledger.Settings(auto_optimization=True, model_update_frequency=0)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", settings=settings, policy=SLOW)
        loop.rank({"hour": "noon"}, {"a": {}, "b": {}})
        clock.advance(7 * 86_400)
        (done,) = loop.evaluations()
        assert done.status == "Failed"
        assert "fewer than" in done.reason
        clock.advance(7 * 86_400)
        assert len(loop.evaluations()) == 2


def test_several_slots_are_left_alone(tmp_path):
    clock = loopledger.SimulatedClock(START)
    settings = loopledger.Settings(auto_optimization=True, model_update_frequency=0)
    with loopledger.open(tmp_path, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", settings=settings, policy=loopledger.ready_policy("recommended-slots"))
        clock.advance(7 * 86_400 + 1)
        assert loop.evaluations() == []


@pytest.mark.parametrize(
    ("average", "lower", "imitated", "applied"),
    [
        (0.4, 0.3, 0, True),
        (0.4, 0.19, 0, False),  # less is sure of it
        (0.24, 0.21, 0, False),  # less is expected of it
        (0.4, 0.3, 50, False),  # what it would have done was not explored
    ],
)
def test_both_the_mean_and_the_lower_end_must_be_above_those_of_online(average, lower, imitated, applied):
    def judged(name, reward, low, imitated=0):
        sums = loopledger.Sums(cases=100, decisions=100, imitated=imitated)
        overall = loopledger.Estimate(
            average_reward=reward, interval=(low, 0.5), anytime=(0.0, 1.0), ips=reward, snips=reward,
            robust=None, effective_sample_size=30.0, sums=sums,
        )  # fmt: skip
        return loopledger.Judged(name=name, source="Custom", arguments="", overall=overall)

    searched = loopledger.Searched(
        first=1, last=2, decisions=1, trials=1, stopped=0, failed=0, seed=0, winner="optimized", own=None,
        best=(),
    )  # fmt: skip
    report = loopledger.Evaluation(
        loop="news", first=3, last=4, since=0, until=1, decisions=100, left_out={}, minute_width=5,
        reward_range=(0.0, 1.0), minimum_probability=0.05, searched=searched,
        policies=(judged("Online", 0.25, 0.2), judged("optimized", average, lower, imitated)),
    )  # fmt: skip
    assert is_to_apply(report) is applied
    assert not is_to_apply(replace(report, searched=replace(searched, winner=None)))


def test_closing_ends_a_search_that_is_under_way(tmp_path):
    lived(tmp_path / "data", by_the_hour, auto_optimization=True)  # which is long ago: a search is overdue
    with loopledger.open(tmp_path / "data", workers=1) as ledger:
        loop = ledger.loop("news")
        assert loop.rank({"hour": "noon"}, {"a": {}, "b": {}})
        while not (running := [one for one in loop.evaluations() if one.status == "Running"]):
            sleep(0.05)
        assert running[0].automatic
        while not list((tmp_path / "data" / "news").glob("searches/*.journal")):
            sleep(0.05)
        assert loop.rank({"hour": "noon"}, {"a": {}, "b": {}})  # it goes on answering
    assert not [thread for thread in threading.enumerate() if thread.name == "loopledger-chores"]
    later = loopledger.SimulatedClock(4_102_444_800 * SECOND)
    with loopledger.open(tmp_path / "data", clock=later, workers=1) as ledger:
        (ended,) = ledger.loop("news").evaluations()
        assert ended.status == "Failed"
        assert "ended before" in ended.reason
