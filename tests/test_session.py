"""A loop that is open, and the training that it does by itself."""

import os
import signal
import threading
import time

import pytest
from support import GREEDY, Lent

import loopledger
from loopledger import Settings
from loopledger.adapters.embedding import directory as directory_module
from loopledger.adapters.vw.learner import VwLearner
from loopledger.errors import LearnerFailed

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}}
EVERY_FIVE_MINUTES = Settings(model_update_frequency=300, reward_wait_time=600)
PATIENCE = 30
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def ledger(tmp_path, clock):
    with loopledger.open(tmp_path, clock=clock) as ledger:
        yield ledger


def made(ledger, name="news", settings=EVERY_FIVE_MINUTES):
    ledger.create(name, policy=GREEDY, settings=settings)
    return ledger.loop(name)


def session_of(ledger, name="news"):
    return ledger.directory.peek(name)


def ask(loop, event_id):
    decision = loop.rank({}, ACTIONS, event_id=event_id)
    loop.reward(event_id, 1.0)
    return decision


def trained(loop):
    """Return when each version was trained, in seconds since the loop was made."""
    begun = next(loop.log()).at
    return [(entry.at - begun) / 1e6 for entry in loop.log(kinds=["ModelTrained"])]


def until(condition):
    """Wait for another thread."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_training_follows_the_update_frequency(ledger, clock):
    loop = made(ledger)
    clock.advance(10)
    ask(loop, "e")
    clock.advance(599)
    assert trained(loop) == []
    clock.advance(291)
    assert trained(loop) == [900]
    assert ask(loop, "later").model_version == 1


def test_days_pass_in_seconds(ledger, clock):
    loop = made(ledger, settings=Settings(model_update_frequency=3600, reward_wait_time=600))
    for hour in range(72):
        ask(loop, f"e{hour}")
        clock.advance(3600)
    assert trained(loop) == [3600.0 * hour for hour in range(1, 73)]
    assert loop.status().waiting_decisions == 0


def test_without_new_examples_there_is_no_training(ledger, clock, tiny):
    loop = made(ledger)
    ask(loop, "e")
    clock.advance(86_400)
    assert trained(loop) == [600]
    before = loop.status()
    folds = tiny.folds
    clock.advance(86_400)
    assert loop.status() == before
    assert tiny.folds == folds


def test_frequency_zero_turns_it_off_and_a_change_counts_at_once(ledger, clock):
    loop = made(ledger, settings=Settings(model_update_frequency=0))
    ask(loop, "e")
    clock.advance(86_400)
    assert trained(loop) == []
    loop.change_settings(model_update_frequency=100)
    clock.advance(99)
    assert trained(loop) == []
    clock.advance(1)
    assert len(trained(loop)) == 1
    ask(loop, "f")
    loop.change_settings(model_update_frequency=0)
    clock.advance(86_400)
    assert len(trained(loop)) == 1


@pytest.mark.parametrize("error", [None, OSError("no more processes"), ZeroDivisionError()], ids=repr)
def test_after_a_training_that_failed_the_next_one_comes_in_time(ledger, clock, tiny, monkeypatch, error):
    """Whatever goes wrong: the engine says so, or something fails that nobody thought of."""
    loop = made(ledger)
    ask(loop, "e")
    if error is None:
        tiny.broken = True
    else:

        def fail(*_):
            raise error

        monkeypatch.setattr(tiny, "fold", fail)
    clock.advance(650)
    assert session_of(ledger).last_failure == ("the tiny learner is broken" if error is None else repr(error))
    assert ask(loop, "meanwhile").model_version == 0
    assert trained(loop) == []
    tiny.broken = False
    monkeypatch.undo()
    clock.advance(300)
    assert trained(loop) == [900]
    assert session_of(ledger).last_failure is None


def test_a_training_that_closing_interrupts_has_not_failed(tmp_path, tiny, monkeypatch, caplog):
    begun, ended = threading.Event(), threading.Event()
    fold = tiny.fold

    def interrupted(*arguments):
        begun.set()
        ended.wait(30)
        fold(*arguments)
        raise LearnerFailed("the learning process died of SIGKILL")

    monkeypatch.setattr(tiny, "fold", interrupted)
    monkeypatch.setattr(Lent, "close", lambda _: ended.set())
    ledger = loopledger.open(tmp_path)
    loop = made(ledger, settings=Settings(model_update_frequency=0.01, reward_wait_time=0.01))
    ask(loop, "e")
    session = session_of(ledger)
    assert begun.wait(30)
    ledger.close()
    assert session.failures == 0
    assert "automatic training failed" not in caplog.text


def test_what_fell_due_while_the_loop_was_closed_is_done_when_it_is_opened(tmp_path, clock):
    settings = Settings(model_update_frequency=300, reward_wait_time=10)
    with loopledger.open(tmp_path, clock=clock) as ledger:
        ask(made(ledger, settings=settings), "e")
    clock.advance(7200)
    with loopledger.open(tmp_path, clock=clock) as ledger:
        loop = ledger.loop("news")
        clock.advance(0)
        assert trained(loop) == [7200]
        clock.advance(100)
        ask(loop, "f")
    clock.advance(100)
    with loopledger.open(tmp_path, clock=clock) as ledger:
        loop = ledger.loop("news")
        clock.advance(99)
        assert trained(loop) == [7200]
        clock.advance(1)
        assert trained(loop) == [7200, 7500]


def test_a_closed_loop_trains_no_more(tiny, tmp_path, clock):
    with loopledger.open(tmp_path, clock=clock, open_loops=1) as ledger:
        ask(made(ledger), "e")
        ask(made(ledger, "other"), "e")
        assert len(clock._due) == 1
    assert clock._due == []
    clock.advance(86_400)
    assert tiny.folds == 0


def test_a_loop_that_has_failed_lets_the_clock_go_on(ledger, clock, monkeypatch):
    loop = made(ledger)
    other = made(ledger, "other")
    ask(loop, "e")
    ask(other, "e")

    def fail(_):
        raise OSError("disk")

    monkeypatch.setattr(session_of(ledger).inbox._desk.loop._journal, "append", fail)
    with pytest.raises(loopledger.LoopStopped):
        ask(loop, "f")
    clock.advance(86_400)
    assert trained(other) == [600]


def test_a_training_that_takes_long_holds_up_nobody(ledger, clock, tiny, monkeypatch):
    loop = made(ledger)
    ask(loop, "e")
    begun, go_on = threading.Event(), threading.Event()
    fold = tiny.fold

    def slow(*args):
        begun.set()
        assert go_on.wait(PATIENCE)
        return fold(*args)

    monkeypatch.setattr(tiny, "fold", slow)
    passing = threading.Thread(target=clock.advance, args=(600,))
    passing.start()
    assert begun.wait(PATIENCE)
    for number in range(20):
        assert ask(loop, f"meanwhile-{number}").model_version == 0
    go_on.set()
    passing.join(PATIENCE)
    assert ask(loop, "later").model_version == 1


def test_by_the_machines_clock_it_is_done_in_the_background(tiny, tmp_path):
    settings = Settings(model_update_frequency=0.05, reward_wait_time=0.001)
    with loopledger.open(tmp_path) as ledger:
        loop = made(ledger, settings=settings)
        ask(loop, "e")
        until(lambda: loop.status().published == 1)
        tiny.broken = True
        ask(loop, "f")
        until(lambda: session_of(ledger).last_failure is not None)
        tiny.broken = False
        until(lambda: loop.status().published == 2)
        until(lambda: session_of(ledger).last_failure is None)
        assert len(trained(loop)) == 2


def test_a_loop_closed_while_it_trains_trains_no_more(tiny, tmp_path, clock, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    fold = tiny.fold

    def slow(*args):
        begun.set()
        assert go_on.wait(PATIENCE)
        return fold(*args)

    monkeypatch.setattr(tiny, "fold", slow)
    with loopledger.open(tmp_path, clock=clock) as ledger:
        ask(made(ledger), "e")
        passing = threading.Thread(target=clock.advance, args=(600,))
        passing.start()
        assert begun.wait(PATIENCE)
    go_on.set()
    passing.join(PATIENCE)
    assert clock._due == []


def test_one_loops_long_training_does_not_hold_up_anothers(tiny, tmp_path, monkeypatch):
    go_on = threading.Event()
    begun = []
    fold = tiny.fold

    def slow(*args):
        begun.append(args)
        if len(begun) == 1:
            go_on.wait(2 * PATIENCE)
        return fold(*args)

    monkeypatch.setattr(tiny, "fold", slow)
    settings = Settings(model_update_frequency=0.02, reward_wait_time=0.001)
    with loopledger.open(tmp_path, workers=2) as ledger:
        one, other = made(ledger, "one", settings), made(ledger, "other", settings)
        ask(one, "e")
        until(lambda: begun)
        ask(other, "e")
        until(lambda: other.status().published == 1)
        assert one.status().published == 0
        go_on.set()
        until(lambda: one.status().published == 1)


def test_a_worker_that_dies_while_it_learns_stops_no_ranking(tmp_path, clock, monkeypatch):
    learner = VwLearner(workers=1)
    monkeypatch.setattr(directory_module, "VwLearner", lambda _: Lent(learner))
    killed = []

    def kill(*_):
        (worker,) = learner._workers._busy
        os.kill(worker.process, signal.SIGKILL)
        killed.append(loop.rank({}, ACTIONS).model_version)

    with loopledger.open(tmp_path, clock=clock) as ledger:
        loop = made(ledger, settings=Settings(model_update_frequency=0))
        ask(loop, "first")
        clock.advance(601)
        assert loop.train() == [1]
        for number in range(600):
            loop.rank({"n": number}, ACTIONS)
        clock.advance(601)
        with pytest.raises(loopledger.LearnerFailed, match="SIGKILL"):
            loop.train(kill)
        assert killed == [1]
        assert ask(loop, "meanwhile").model_version == 1
        assert loop.train() == [2]
        assert ask(loop, "later").model_version == 2
    learner.close()
