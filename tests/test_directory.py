"""The directory: which loops there are, and which of them are open."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from support import GREEDY

import loopledger
from loopledger import Settings
from loopledger.adapters.embedding import directory as directory_module
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.session import Session
from loopledger.adapters.place import check_name, in_folder, loop_names
from loopledger.errors import (
    Conflict,
    InvalidRequest,
    LearnerFailed,
    LoopInUse,
    LoopledgerError,
    LoopStopped,
    NotFound,
)
from loopledger.log.events import LoopCreated
from loopledger.loop import create

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}}
QUIET = Settings(model_update_frequency=0)
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def opened(tmp_path, clock):
    """Return what opens the directory of a data folder."""
    directories = []

    def opened(folder=tmp_path, open_loops=3):
        made = Directory(folder, clock, workers=1, open_loops=open_loops, most_waiting=100)
        directories.append(made)
        return made

    yield opened
    for made in directories:
        made.close()


def made(directory, *names):
    for name in names:
        directory.create(name, QUIET, GREEDY)
    return [directory.get(name) for name in names]


def open_names(directory):
    return list(directory._sessions)


@pytest.fixture
def ledger(tmp_path, clock):
    with loopledger.open(tmp_path, clock=clock, open_loops=2) as ledger:
        yield ledger


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_a_name_is_given_once(opened, tmp_path, where):
    directory = opened(tmp_path if where == "folder" else None)
    made(directory, "b", "a")
    with pytest.raises(Conflict):
        directory.create("a", QUIET, GREEDY)
    assert directory.names() == ["a", "b"]
    assert directory.has("a")
    assert not directory.has("c")
    for lookup in (directory.place, directory.get):
        with pytest.raises(NotFound, match="'c'"):
            lookup("c")
    assert directory.names() == ["a", "b"]


def test_names(tmp_path):
    for good in ("a", "A9", "x" * 64, "2026-01-01.news_feed", "a..b"):
        check_name(good)
    for name in ("a", "-a", ".creating-a", "a b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.db").touch()
    assert loop_names(tmp_path) == ["a"]


def test_the_loops_not_used_for_longest_are_closed_for_others(opened):
    directory = opened()
    a, b, c = made(directory, "a", "b", "c")
    assert directory.peek("a") is a
    directory.create("d", QUIET, GREEDY)
    assert directory.peek("d") is None
    directory.get("d")
    assert open_names(directory) == ["c", "a", "d"]
    assert (b.replaced, b.retired, b.inbox.alive) == (True, True, False)
    assert (a.replaced, c.inbox.alive) == (False, True)
    assert directory.get("c") is c
    directory.get("b")
    assert open_names(directory) == ["d", "c", "b"]


def test_loops_with_commands_waiting_stay_open(opened):
    directory = opened(open_loops=2)
    a, b = made(directory, "a", "b")
    a.inbox._desk.waiting = 1
    made(directory, "c")
    assert open_names(directory) == ["a", "c"]
    assert not b.inbox.alive
    a.inbox._desk.waiting = 0


def test_a_loop_in_training_stays_open(ledger, tiny, clock, monkeypatch):
    loops = [ledger.create(name, settings=QUIET, policy=GREEDY) for name in "abc"]
    loops[0].rank({}, ACTIONS, event_id="e")
    clock.advance(601)
    begun, others_came = threading.Event(), threading.Event()
    fold = tiny.fold

    def slow(*args):
        begun.set()
        assert others_came.wait(30)
        return fold(*args)

    monkeypatch.setattr(tiny, "fold", slow)
    versions = []
    training = threading.Thread(target=lambda: versions.extend(loops[0].train()))
    training.start()
    assert begun.wait(30)
    for _ in range(3):
        for loop in loops[1:]:
            loop.rank({}, ACTIONS)
    others_came.set()
    training.join(30)
    assert versions == [1]
    assert tiny.folds == 1  # it was not closed and asked to begin again
    assert loops[0].rank({}, ACTIONS).model_version == 1


@pytest.mark.parametrize("way", ["ask", "train"])
def test_a_loop_closed_between_looking_it_up_and_using_it_is_opened_again(ledger, clock, monkeypatch, way):
    loops = [ledger.create(name, settings=QUIET, policy=GREEDY) for name in "abc"]
    decision = loops[0].rank({}, ACTIONS, event_id="e")
    clock.advance(601)
    method = getattr(Session, way)

    def too_late(self, *args):
        monkeypatch.setattr(Session, way, method)
        for loop in loops[1:]:
            ledger.loop(loop.name)
        assert not self.inbox.alive
        return method(self, *args)

    monkeypatch.setattr(Session, way, too_late)
    if way == "ask":
        assert loops[0].rank({}, ACTIONS, event_id="e") == decision
    else:
        assert loops[0].train() == [1]


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_loops_take_turns_and_answer_as_if_they_were_always_open(tmp_path, where):
    answers = []
    for open_loops in (1, 9):
        clock = loopledger.SimulatedClock()
        folder = tmp_path / str(open_loops) if where == "folder" else ":memory:"
        with loopledger.open(folder, clock=clock, open_loops=open_loops) as ledger:
            loops = [ledger.create(f"loop-{n}", settings=QUIET, policy=GREEDY) for n in range(4)]
            for number in range(4):
                for loop in loops:
                    decision = loop.rank({"n": number}, ACTIONS, event_id=f"e{number}")
                    loop.reward(decision.event_id, 1.0, key="once")
                clock.advance(300)
                for loop in loops:
                    loop.train()
            assert len(open_names(ledger.directory)) == min(open_loops, 4)
            answers.append([[entry.as_dict() for entry in loop.log()] for loop in loops])
            answers[-1].append([loop.status().digest for loop in loops])
    assert answers[0] == answers[1]
    assert "ModelTrained" in [entry["kind"] for entry in answers[0][0]]


def test_looking_at_open_loops_while_others_are_opened(ledger):
    """Reproduces an ordered dictionary that was changed while room was made."""
    loops = [ledger.create(f"loop-{n}", settings=QUIET, policy=GREEDY) for n in range(12)]
    ledger.directory._open_loops = 10
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    stop = threading.Event()

    def look():
        while not stop.is_set():
            for loop in loops:
                ledger.directory.peek(loop.name)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(8):
            for loop in loops:
                ledger.loop(loop.name)
    finally:
        stop.set()
        looking.join()
        sys.setswitchinterval(switching)


def test_threads_that_open_and_use_more_loops_than_there_is_room_for(ledger):
    loops = [ledger.create(f"loop-{n}", settings=QUIET, policy=GREEDY) for n in range(6)]
    failures = []

    def work(number):
        try:
            for step in range(12):
                loops[(number + step) % 6].rank({}, ACTIONS, event_id=f"{number}-{step}")
        except Exception as error:  # noqa: BLE001 - it is what the test is about
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []
    assert sum(loop.status().counts["Ranked"] for loop in loops) == 48


def test_a_refused_policy_makes_no_loop(opened, tiny, tmp_path, monkeypatch):
    def refuse(*_):
        raise LearnerFailed("cannot")

    monkeypatch.setattr(tiny, "probe", refuse)
    with pytest.raises(InvalidRequest, match="cannot"):
        opened().create("a", QUIET, GREEDY)
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_creation_left_does_no_harm(opened, tmp_path, clock):
    """A process that was killed while it made a loop leaves a folder of another name."""
    for left in (".creating-a", ".creating-a-0123456789ab"):
        created = LoopCreated(loop_id="a", settings=QUIET, policy=GREEDY)
        create(in_folder(tmp_path / left).store, clock, created)
    directory = opened()
    assert directory.names() == []
    assert not directory.has("a")
    (session,) = made(directory, "a")
    assert session.state.seq == 1
    assert directory.names() == ["a"]


def test_a_creation_that_fails_leaves_no_loop(opened, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "somebody elses").touch()
    (tmp_path / "b").touch()
    (tmp_path / "c").mkdir()
    directory = opened()
    for name in "ab":
        with pytest.raises(Conflict, match="in the way"):
            directory.create(name, QUIET, GREEDY)
    made(directory, "c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["somebody elses"]


def test_of_two_who_make_a_loop_one_gets_it_and_it_is_whole(opened, tmp_path, monkeypatch):
    """They are two processes, who know nothing of each other: here two directories of one folder."""
    one, other = opened(), opened()
    rename = type(tmp_path).rename

    def overtaken(self, target):
        monkeypatch.setattr(type(tmp_path), "rename", rename)
        other.create("a", Settings(reward_wait_time=2), GREEDY)
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", overtaken)
    with pytest.raises(Conflict):
        one.create("a", Settings(reward_wait_time=1), GREEDY)
    assert one.get("a").state.settings.reward_wait_time == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_second_ledger_cannot_write_to_an_open_loop(opened):
    one, other = opened(), opened()
    (session,) = made(one, "a")
    with pytest.raises(LoopInUse, match=str(os.getpid())):
        other.get("a")
    assert open_names(other) == []
    session.trainer.train(lambda: 100)
    one.close()
    assert other.get("a").state.seq == 1


SECOND = """
import sys, loopledger
with loopledger.open(sys.argv[1]) as ledger:
    assert ledger.loops() == ["a"]
    try:
        ledger.loop("a").rank({}, {"x": {}})
    except loopledger.LoopInUse as error:
        print(error)
"""


def test_a_second_process_cannot_write_to_an_open_loop(opened, tmp_path):
    directory = opened()
    made(directory, "a")
    command = [sys.executable, "-W", "error", "-c", SECOND, str(tmp_path)]
    said = subprocess.check_output(command, timeout=60, text=True)
    assert f"process {os.getpid()}" in said
    directory.close()
    assert subprocess.check_output(command, timeout=60, text=True) == ""


@pytest.mark.parametrize("error", [OSError(28, "No space left"), sqlite3.OperationalError("disk I/O error")])
@pytest.mark.parametrize("step", ["create", "sync"])
def test_a_loop_that_the_disk_does_not_take_is_not_there(opened, tmp_path, monkeypatch, step, error):
    def fail(*_):
        raise error

    directory = opened()
    with monkeypatch.context() as patch:
        patch.setattr(directory_module, step, fail)
        with pytest.raises(LoopledgerError, match=r"cannot be made: .*(No space|I/O error)") as caught:
            directory.create("a", QUIET, GREEDY)
    assert caught.value.__cause__ is error
    assert not list(tmp_path.iterdir())
    made(directory, "a")


def test_after_closing_nothing_is_opened_or_made(opened, tmp_path):
    directory = opened()
    (session,) = made(directory, "a")
    directory.close()
    directory.close()
    assert directory.peek("a") is None
    assert not session.inbox.alive
    for use in (lambda: directory.get("a"), lambda: directory.create("b", QUIET, GREEDY)):
        with pytest.raises(LoopStopped, match="closed"):
            use()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_loop_that_failed_is_opened_again_only_by_who_asks_for_it(opened):
    directory = opened()
    (session,) = made(directory, "a")
    session.inbox._desk.failure = OSError("disk")
    session.inbox._desk.closed = True
    assert directory.peek("a") is None
    assert directory.get("a") is session
    afresh = directory.get("a", afresh=True)
    assert afresh is not session
    assert afresh.inbox.alive
    assert directory.get("a", afresh=True) is afresh


def test_a_fork_closes_nothing_of_its_parents(opened):
    directory = opened()
    (session,) = made(directory, "a")
    directory._process -= 1
    directory.close()
    assert session.inbox.alive
    directory._process += 1
