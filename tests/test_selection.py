"""Choosing decisions by their ids, or by what is true of them."""

import pytest
from learned import ACTIONS, START
from support import SLOTS, Bench
from test_loop import learned, rank

import loopledger
from loopledger.adapters.query import query
from loopledger.commands import Activate, Reward
from loopledger.deciding.request import Slot
from loopledger.errors import InvalidRequest, NotFound
from loopledger.learning.joining import join
from loopledger.learning.selection import described, matching, named


@pytest.fixture
def bench():
    bench = Bench()
    learned(bench, 3)
    bench.do(rank("bot-1", context={"device": "bot", "hour": 9}))
    bench.do(rank("bot-2", deferred=True, excluded=("a",)))
    bench.do(Reward("bot-2", 0.25))
    bench.do(Activate("bot-2"))
    return bench


def ids(bench, text):
    reader = bench.place.store.reader()
    return [reader.record(seq).event_id for seq in matching(reader, query(text))]


def test_by_ids(bench):
    reader = bench.place.store.reader()
    found = named(reader, ["bot-1", "e0", "e0"])
    assert [reader.record(seq).event_id for seq in found] == ["e0", "bot-1"]
    assert named(reader, []) == []
    many = [f"e{number % 3}" for number in range(2000)]
    assert len(named(reader, many)) == 3
    with pytest.raises(NotFound, match="'nobody'"):
        named(reader, ["e0", "nobody"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("starts_with(event_id, 'bot-')", ["bot-1", "bot-2"]),
        ("context.FromUrl[0].device == 'bot'", ["bot-1"]),
        ("reward > `0.5`", ["e1"]),
        ("reward == `0.25` && activated", ["bot-2"]),
        ("deferred", ["bot-2"]),
        ("length(rewards) == `0`", ["bot-1"]),
        ("model_version == `0` && seq < `5`", ["e0", "e1"]),
        ("contains(actions, 'a') && !contains(['a', 'b', 'c'], action)", []),
        ("skipped", []),
        ("nothing.of.the.kind", []),
        ("`true`", ["e0", "e1", "e2", "bot-1", "bot-2"]),
        ("`0`", ["e0", "e1", "e2", "bot-1", "bot-2"]),  # as JMESPath has it, a number is true
    ],
)
def test_by_what_is_true_of_them(bench, text, expected):
    assert ids(bench, text) == expected


def test_times_can_be_compared(bench):
    at = bench.records("Ranked")[1].at
    moment = loopledger.adapters.embedding.moments.text(at)
    assert ids(bench, f"at < time('{moment}')") == ["e0"]
    assert ids(bench, f"at == time('{moment}')") == ["e1"]


@pytest.mark.parametrize(
    "text", ["", "foo(", "unheard(event_id)", "length(seq)", "sum(event_id)", "time(`1`)", "(" * 4000]
)
def test_what_is_no_query(bench, text):
    with pytest.raises(InvalidRequest, match="where: must be a JMESPath expression"):
        ids(bench, text)


def test_what_is_no_time(bench):
    with pytest.raises(InvalidRequest, match="ISO 8601"):
        ids(bench, "at > time('yesterday')")


def test_what_is_erased_matches_nothing(bench):
    bench.erase("bot-1")
    assert ids(bench, "`true`") == ["e0", "e1", "e2", "bot-2"]


def test_what_can_be_asked_of_slots(tmp_path):
    with loopledger.open(tmp_path, clock=loopledger.SimulatedClock(START), workers=1) as ledger:
        loop = ledger.create("page", policy=SLOTS)
        loop.rank_slots({"hour": 1}, ACTIONS, [Slot("top"), Slot("side")], event_id="one")
        loop.reward("one", 1.0, slot="side")
        reader = loop.place.store.reader()
        (traced,) = reader.traced("SlotsRanked", 1, 9)
        about = described(join(traced))
        assert [(slot["slot"], slot["reward"]) for slot in about["slots"]] == [("top", 0.0), ("side", 1.0)]
        assert {slot["action"] for slot in about["slots"]} <= set(ACTIONS)
        assert matching(reader, query("slots[?slot == 'side' && reward > `0`]")) == [2]
        assert matching(reader, query("slots[?slot == 'top' && reward > `0`]")) == []
        reader.close()


def test_it_tells_how_far_it_is(bench):
    learned(bench, 600, 100)
    told = []
    reader = bench.place.store.reader()
    matching(reader, query("`false`"), lambda done, total: told.append((done, total)))
    assert told
    assert all(done <= total for done, total in told)
