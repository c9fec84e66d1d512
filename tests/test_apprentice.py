"""The apprentice report: the figures of the log itself, in every mode, with and without slots."""

import csv
import io

import pytest
from exported import DECISIONS, learned, live

import loopledger
from loopledger import InvalidRequest, NotFound, Settings
from loopledger.evaluation import apprentice as module

pytestmark = pytest.mark.usefixtures("lent")
ALL = 3 * DECISIONS
NOT_ACTIVATED = ALL // 20
POLICY = {"name": "greedy", "arguments": "--cb_explore_adf --epsilon 0.2 -q Fi"}


@pytest.fixture
def ledger(clock):
    with loopledger.open(":memory:", clock=clock) as ledger:
        yield ledger


def rows(loop):
    """Return what counts of the decisions, from the table that is exported."""
    out = io.BytesIO()
    loop.export(out, format="csv")
    table = csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))
    return [row for row in table if row["learning_mode"] == "Apprentice" and not row["skipped"]]


def figures(stretch):
    return (
        stretch.number_of_events,
        stretch.number_of_matched_events,
        stretch.sum_of_rewards,
        stretch.sum_of_imitated_rewards,
    )


def expected(counted):
    matched = [row for row in counted if row["action"] == row["baseline_action"]]
    return (
        len(counted),
        len(matched),
        sum(float(row["reward"]) for row in counted),
        sum(float(row["reward"]) for row in matched),
    )


@pytest.mark.parametrize("slots", [False, True])
def test_the_figures_are_those_of_the_log(ledger, clock, slots, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 50)
    loop = learned(ledger, clock, slots=slots, mode="Apprentice")
    counted, found = rows(loop), loop.apprentice(recent=40)
    assert figures(found.whole) == expected(counted)
    assert figures(found.recent) == expected(counted[-40:])
    assert [figures(one) for one in found.batches] == [
        expected(counted[at : at + 50]) for at in range(0, len(counted), 50)
    ]
    assert found.decisions == ALL - NOT_ACTIVATED
    assert found.left_out == {"not activated": NOT_ACTIVATED}
    assert [one.slot for one in found.slots] == (["top", "side"] if slots else [])
    for one in found.slots:
        own = [row for row in counted if row["slot"] == one.slot]
        assert figures(one.whole) == expected(own)
        assert figures(one.recent) == expected(own[-40:])


def test_days_are_those_of_the_calendar(ledger, clock):
    loop = ledger.create("news", policy=POLICY, settings=Settings(learning_mode="Apprentice"))
    for number in range(3):
        live(loop, clock, first=number * DECISIONS)
        clock.advance(86_400)
    found = loop.apprentice()
    assert [day.number_of_events for day in found.days] == [DECISIONS - 3] * 3
    assert len({day.since // 86_400_000_000 for day in found.days}) == 3
    assert sum(day.sum_of_rewards for day in found.days) == found.whole.sum_of_rewards


def test_only_apprentice_decisions_count_and_the_others_are_named(ledger, clock):
    loop = learned(ledger, clock, mode="Apprentice")
    loop.change_settings(learning_mode="Online")
    live(loop, clock, first=ALL)
    loop.change_settings(learning_mode="LoggingOnly")
    live(loop, clock, first=ALL + DECISIONS)
    loop.rank({}, {"a": {}, "b": {}}, event_id="open")
    found = loop.apprentice()
    assert found.decisions == ALL - NOT_ACTIVATED
    assert found.left_out == {
        "open window": 1,
        "not activated": NOT_ACTIVATED,
        "made in Online mode": DECISIONS,
        "made in LoggingOnly mode": DECISIONS,
    }


def test_what_is_erased_or_left_out_does_not_count(ledger, clock):
    loop = learned(ledger, clock, mode="Apprentice")
    loop.erase(["event-001", "event-002"])
    loop.relearn(without=["event-003"])
    found = loop.apprentice()
    assert found.left_out == {"not activated": NOT_ACTIVATED, "left out of learning": 1, "erased": 2}
    assert found.decisions == ALL - NOT_ACTIVATED - 3


def test_a_range(ledger, clock):
    loop = learned(ledger, clock, mode="Apprentice")
    counted = rows(loop)
    middle = int(counted[70]["seq"])
    assert figures(loop.apprentice(since=middle).whole) == expected(counted[70:])
    assert figures(loop.apprentice(until=middle - 1).whole) == expected(counted[:70])
    assert figures(loop.apprentice(since=counted[70]["time"]).whole) == expected(counted[70:])


@pytest.mark.parametrize("mode", ["Online", "LoggingOnly"])
def test_a_loop_that_never_was_an_apprentice(ledger, clock, mode):
    loop = ledger.create("news", policy=POLICY, settings=Settings(learning_mode=mode))
    live(loop, clock)
    with pytest.raises(NotFound, match=f"57 made in {mode} mode|60 made in {mode} mode"):
        loop.apprentice()


def test_bad_arguments_are_named(ledger, clock):
    loop = learned(ledger, clock, mode="Apprentice")
    for recent in (0, -1, 100_001, 1.5, True, "1000"):
        with pytest.raises(InvalidRequest, match="recent"):
            loop.apprentice(recent=recent)
    with pytest.raises(InvalidRequest, match="since"):
        loop.apprentice(since=1.5)
    with pytest.raises(NotFound):
        loop.apprentice(since=10**9)


def test_an_apprentice_learns_until_it_is_ready(ledger, clock):
    settings = Settings(learning_mode="Apprentice", model_update_frequency=0)
    loop = ledger.create("news", policy=POLICY, settings=settings)
    before = None
    for day in range(6):
        for number in range(250):
            best = "abcd"[number % 4]
            actions = {name: {} for name in (best, *"abcd")}
            decision = loop.rank({"hour": f"h{number % 4}"}, actions, event_id=f"{day}-{number}")
            loop.reward(decision.event_id, float(number % 3 == 0))
        clock.advance(600)
        loop.train()
        before = before or loop.apprentice(recent=200)
    after = loop.apprentice(recent=500)
    assert before.readiness.judgement == "not yet"
    assert before.recent.plateau == pytest.approx(0.25)
    assert after.readiness.judgement == "ready"
    assert after.recent.plateau == pytest.approx(0.85, abs=1e-6)
    assert after.recent.match_interval[0] < 0.85 < after.recent.match_interval[1]
    assert after.recent.achievement_ratio > 0.7


async def test_the_async_face_says_the_same(tmp_path, clock):
    with loopledger.open(tmp_path, clock=clock) as ledger:
        blocking = learned(ledger, clock, mode="Apprentice").apprentice(recent=100)
    async with loopledger.open_async(tmp_path, clock=clock) as ledger:
        loop = await ledger.loop("news")
        assert await loop.apprentice(recent=100) == blocking
