"""Whatever relearn, erase and import_history are given: our own errors, and nothing logged."""

from datetime import timedelta

import pytest
from learned import ACTIONS, START
from support import GREEDY

import loopledger
from loopledger.errors import InvalidRequest, LoopledgerError

SECRET = "a-name-that-nobody-may-know"


@pytest.fixture
def ledger(tmp_path, lent):  # noqa: ARG001 - learning processes that run already
    with loopledger.open(tmp_path, clock=loopledger.SimulatedClock(START), workers=1) as ledger:
        loop = ledger.create("loop", policy=GREEDY)
        loop.rank({"name": SECRET}, ACTIONS, event_id="one")
        loop.reward("one", 1.0)
        yield ledger


@pytest.fixture
def loop(ledger):
    loop = ledger.loop("loop")
    before = loop.status().events
    yield loop
    assert loop.status().events == before


@pytest.mark.parametrize(
    "where",
    [
        5,
        ["x"],
        b"x",
        "event_id == '\ud800'",
        "rewards[::0]",
        "ceil(to_number('inf'))",
        "floor(to_number('nan'))",
    ],
)
def test_a_query_that_cannot_be_asked(loop, where):
    for ask in (loop.relearn, loop.erase, loop.erasable):
        with pytest.raises(InvalidRequest, match="where: must be ") as caught:
            ask(where=where)
        str(caught.value).encode()


@pytest.mark.parametrize("where", ["map(&@, @)", "sort(context)", "max_by([@], &context)"])
def test_what_is_wrong_is_said_without_what_was_logged(loop, where):
    with pytest.raises(InvalidRequest) as caught:
        loop.erasable(where=where)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "age", [True, 1.5, "99999999999999w", "9" * 5000 + "d", timedelta.min, 10**30, "\ud800", b"90d", ""]
)
def test_an_age_that_is_none(loop, age):
    with pytest.raises(InvalidRequest) as caught:
        loop.erase(older_than=age)
    str(caught.value).encode()


@pytest.mark.parametrize("since", [True, False, None, 1.5, b"1", "x", 0, -1, 10**30])
def test_a_beginning_that_is_none(loop, since):
    with pytest.raises(LoopledgerError):
        loop.relearn(since=since)


@pytest.mark.parametrize(
    "files",
    [None, 5, "log.json", b"log.json", [], [5], [b"x"], ["\0"], ["a" * 5000], ["\ud800"], ["nowhere"]],
)
def test_files_that_are_none(ledger, files):
    with pytest.raises(InvalidRequest):
        ledger.import_history("new", files)
    assert ledger.loops() == ["loop"]


@pytest.mark.parametrize("name", [None, 5, "", "../loop", "\0", "\ud800"])
def test_names_that_are_none(ledger, name):
    with pytest.raises(InvalidRequest, match="name"):
        ledger.import_history(name, ["nowhere"])
