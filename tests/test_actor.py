"""The actor: bounded, never silent, and a failure is the loop's alone."""

import signal
import sqlite3
import subprocess
import sys
import threading
from queue import SimpleQueue
from types import SimpleNamespace

import pykka
import pytest
from support import GREEDY, TinyLearner

import loopledger
import loopledger.loop
from loopledger import Settings
from loopledger.actor import BATCH, Inbox, Letter
from loopledger.adapters.place import in_folder, in_memory
from loopledger.commands import Activate
from loopledger.errors import LoopInUse, LoopStopped, NotFound, Overloaded
from loopledger.log.events import LoopCreated
from loopledger.loop import Loop, create

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}}
QUIET = Settings(model_update_frequency=0)
PATIENCE = 30
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def place(tmp_path, clock):
    return created(in_folder(tmp_path / "loop"), clock)


def created(place, clock):
    create(place.store, clock, LoopCreated(loop_id="loop", settings=QUIET, policy=GREEDY))
    return place


def opener(place, clock):
    return lambda: Loop(place.store, TinyLearner(), clock, place.checkpoints)


@pytest.fixture
def inbox(place, clock):
    inbox = Inbox(opener(place, clock), 10 * BATCH)
    yield inbox
    inbox.close()


@pytest.fixture
def interrupt():
    """Press Ctrl-C until it is heard: who has just begun to wait may miss a signal."""
    heard = threading.Event()

    def hear(*_):
        if not heard.is_set():
            heard.set()
            raise KeyboardInterrupt

    def press():
        while not heard.wait(0.05):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, hear)
    pressing = threading.Thread(target=press)
    yield pressing.start
    heard.set()
    pressing.join()
    signal.signal(signal.SIGINT, before)


class Mail:
    """A letter with somebody who waits for the answers."""

    def __init__(self, *event_ids):
        self._answers = SimpleQueue()
        self.letter = Letter([Activate(event_id) for event_id in event_ids], self)

    def deliver(self, answers):
        self._answers.put(list(answers))

    def answers(self):
        return self._answers.get(timeout=PATIENCE)


def sent(inbox, *event_ids):
    mail = Mail(*event_ids)
    inbox.submit(mail.letter)
    return mail


class Gate:
    """Stands before an inbox's journal: it counts commits, and can hold them up or let them fail."""

    def __init__(self, inbox, monkeypatch):
        self.sizes = []
        self.error = None
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._append = inbox._desk.loop._journal.append
        monkeypatch.setattr(inbox._desk.loop._journal, "append", self.append)

    def append(self, records):
        self.sizes.append(len(records))
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        self._append(records)


@pytest.fixture
def gate(inbox, monkeypatch):
    return Gate(inbox, monkeypatch)


def test_letters_are_answered_in_order_and_each_as_a_whole(inbox):
    first, second = sent(inbox, "a", "", "b"), sent(inbox, "c")
    one, error, two = first.answers()
    (three,) = second.answers()
    assert [one.seq, two.seq, three.seq] == [2, 3, 4]
    assert isinstance(error, loopledger.InvalidRequest)
    assert inbox.state.seq == 4


def test_what_waits_together_is_committed_together(inbox, gate):
    begun = sent(inbox, "first")
    gate.reached.wait(PATIENCE)
    waiting = [sent(inbox, f"e{number}") for number in range(3 * BATCH)]
    assert inbox.waiting == 3 * BATCH
    gate.opened.set()
    seqs = [answer.seq for mail in [begun, *waiting] for answer in mail.answers()]
    assert seqs == list(range(2, 3 * BATCH + 3))
    assert gate.sizes == [1, BATCH, BATCH, BATCH]
    assert inbox.waiting == 0


def test_a_letter_is_not_torn_apart(inbox, gate):
    begun = sent(inbox, "first")
    gate.reached.wait(PATIENCE)
    large = sent(inbox, *[f"e{number}" for number in range(BATCH + 5)])
    gate.opened.set()
    begun.answers()
    assert len(large.answers()) == BATCH + 5
    assert gate.sizes == [1, BATCH + 5]


def test_who_is_alone_is_served_at_once(inbox):
    (answer,) = inbox.ask_at_once([Activate("a")])
    assert answer.seq == 2


def test_who_is_not_alone_waits_for_a_turn(inbox, gate):
    begun = sent(inbox, "first")
    gate.reached.wait(PATIENCE)
    assert inbox.ask_at_once([Activate("a")]) is None
    waiting = sent(inbox, "b")
    gate.opened.set()
    begun.answers()
    waiting.answers()
    inbox._desk.waiting += 1  # somebody else's letter
    assert inbox.ask_at_once([Activate("a")]) is None
    inbox._desk.waiting -= 1


def test_there_is_a_limit_to_waiting(place, clock, monkeypatch):
    inbox = Inbox(opener(place, clock), 3)
    gate = Gate(inbox, monkeypatch)
    taken = [sent(inbox, "first")]
    gate.reached.wait(PATIENCE)
    taken += [sent(inbox, f"e{number}") for number in range(3)]
    for _ in range(2):
        with pytest.raises(Overloaded, match="3 commands wait"):
            sent(inbox, "too many")
    gate.opened.set()
    assert [mail.answers()[0].seq for mail in taken] == [2, 3, 4, 5]
    assert sent(inbox, "later").answers()[0].seq == 6
    inbox.close()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error")]
)
def test_a_failed_commit_stops_the_loop_and_everybody_hears_why(inbox, gate, place, error):
    gate.error = error
    waiting = [sent(inbox, "first")]
    gate.reached.wait(PATIENCE)
    waiting += [sent(inbox, f"e{number}", "x") for number in range(5)]
    gate.opened.set()
    answers = [answer for mail in waiting for answer in mail.answers()]
    gate.error = ValueError("a later one, of a disk that nobody should have tried again")
    with pytest.raises(LoopStopped) as late:
        sent(inbox, "late")
    answers += [late.value, *inbox.ask_at_once([Activate("late"), Activate("too")])]
    assert len(answers) == 14
    for answer in answers:
        assert isinstance(answer, LoopStopped)
        assert answer.__cause__ is error
    assert (inbox.alive, inbox.failure) == (False, error)
    assert gate.sizes == [1]
    assert inbox.state.seq == 1
    inbox.close()
    assert place.checkpoints.load_state() is None  # nobody knows what is on disk: the log says it


def test_a_failure_of_who_is_served_at_once_is_the_same(inbox, gate):
    gate.opened.set()
    gate.error = OSError("disk")
    (answer,) = inbox.ask_at_once([Activate("a")])
    assert answer.__cause__ is gate.error
    with pytest.raises(LoopStopped, match="disk"):
        sent(inbox, "b")


def test_other_loops_do_not_notice(inbox, gate, clock):
    other = Inbox(opener(created(in_memory(), clock), clock), 10)
    gate.error = SystemExit("even this, which pykka answers by stopping every actor")
    gate.opened.set()
    assert isinstance(sent(inbox, "a").answers()[0], LoopStopped)
    assert sent(other, "a").answers()[0].seq == 2
    assert other.alive
    other.close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, BaseException])
@pytest.mark.parametrize("alone", [False, True])
def test_whatever_a_command_raises_everybody_hears_of_it(inbox, monkeypatch, error, alone):
    cause = error("in the middle of deciding")

    def fail(*_):
        raise cause

    monkeypatch.setattr(loopledger.loop, "decide", fail)
    if alone:
        with pytest.raises(error):
            inbox.ask_at_once([Activate("a")])
    else:
        for answer in sent(inbox, "a", "b").answers():
            assert isinstance(answer, LoopStopped)
            assert answer.__cause__ is cause
    with pytest.raises(LoopStopped) as late:
        sent(inbox, "late")
    assert late.value.__cause__ is cause
    assert (inbox.failure, inbox.interrupted, inbox.waiting) == (cause, True, 0)


def test_what_cannot_be_opened_leaves_nothing_open(place, clock, tmp_path):
    before = threading.active_count()
    with pytest.raises(NotFound):
        Inbox(opener(in_folder(tmp_path / "nothing"), clock), 10)
    held = opener(place, clock)()
    with pytest.raises(LoopInUse):
        Inbox(opener(place, clock), 10)
    held.close()
    Inbox(opener(place, clock), 10).close()
    for thread in threading.enumerate():
        if thread.name.startswith("LoopActor"):
            thread.join(PATIENCE)
    assert threading.active_count() == before
    assert pykka.ActorRegistry.get_by_class_name("LoopActor") == []


def test_an_interrupted_opening_leaves_nothing_open(place, clock, interrupt):
    begun = threading.Event()

    def slowly():
        interrupt()
        begun.wait(PATIENCE)
        return opener(place, clock)()

    with pytest.raises(KeyboardInterrupt):
        Inbox(slowly, 10)
    begun.set()
    for thread in threading.enumerate():
        if thread.name.startswith("LoopActor"):
            thread.join(PATIENCE)
    Inbox(opener(place, clock), 10).close()


def test_closing_carries_out_what_waits(inbox, gate, place):
    waiting = [sent(inbox, "first")]
    gate.reached.wait(PATIENCE)
    waiting += [sent(inbox, f"e{number}") for number in range(300)]
    closing = threading.Thread(target=inbox.close)
    closing.start()
    gate.opened.set()
    closing.join(PATIENCE)
    assert [mail.answers()[0].seq for mail in waiting] == list(range(2, 303))
    with pytest.raises(LoopStopped, match="closed") as late:
        sent(inbox, "late")
    assert late.value.__cause__ is None
    (alone,) = inbox.ask_at_once([Activate("late")])
    assert isinstance(alone, LoopStopped)
    assert alone.__cause__ is None
    assert place.store.writer().head().seq == 302


@pytest.fixture
def slow(monkeypatch):
    """Let a thread of this name wait between seeing that the actor lives and putting its message.

    There pykka loses messages: the actor ends in between, and whoever waits for an answer waits for ever.
    """
    seen, closed = threading.Event(), threading.Event()
    alive = pykka.ActorRef.is_alive

    def is_alive(self):
        found = alive(self)
        if threading.current_thread().name == "slow":
            seen.set()
            closed.wait(0.3)
        return found

    monkeypatch.setattr(pykka.ActorRef, "is_alive", is_alive)
    return SimpleNamespace(seen=seen, closed=closed)


def test_closing_from_several_threads(place, clock, slow):
    inbox = Inbox(opener(place, clock), 10)
    threads = [threading.Thread(target=inbox.close, name="slow", daemon=True)]
    threads[0].start()
    assert slow.seen.wait(PATIENCE)
    threads += [
        threading.Thread(target=lambda: (inbox.close(), slow.closed.set()), daemon=True) for _ in range(3)
    ]
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    inbox.close()


def test_a_letter_that_comes_while_it_closes_is_answered(place, clock, slow):
    inbox, mail = Inbox(opener(place, clock), 10), Mail("e")
    sending = threading.Thread(target=inbox.submit, args=(mail.letter,), name="slow", daemon=True)
    sending.start()
    assert slow.seen.wait(PATIENCE)
    inbox.close()
    slow.closed.set()
    sending.join(PATIENCE)
    assert isinstance(mail.answers()[0], LoopStopped)


@pytest.mark.parametrize("rounds", [60, pytest.param(4000, marks=pytest.mark.slow)])
def test_whoever_asks_while_it_closes_is_answered(clock, rounds):
    refused = 0
    for _ in range(rounds):
        inbox = Inbox(opener(created(in_memory(), clock), clock), 1000)
        together = threading.Barrier(4)
        outcomes = SimpleQueue()

        def ask(inbox=inbox, together=together, outcomes=outcomes):
            together.wait()
            for number in range(20):
                try:
                    (answer,) = sent(inbox, f"e{number}").answers()
                except LoopStopped as error:
                    answer = error
                outcomes.put(answer)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        together.wait()
        inbox.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        answers = [outcomes.get() for _ in range(60)]
        stopped = sum(isinstance(answer, LoopStopped) for answer in answers)
        assert inbox.state.seq == 1 + len(answers) - stopped
        refused += stopped
    assert refused > 0


def test_somebody_who_stops_all_actors_of_the_program_closes_the_loop(inbox, place):
    pykka.ActorRegistry.stop_all()
    with pytest.raises(LoopStopped, match="closed"):
        sent(inbox, "late")
    place.store.writer().close()


@pytest.fixture
def ledger(tmp_path, clock):
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        yield ledger


def ask(loop, event_id="e"):
    return loop.rank({}, ACTIONS, event_id=event_id)


class Interruption(SystemExit):
    """What a program's own handler of a signal may raise."""


def interrupted_at(moment, ledger, monkeypatch):
    """Let a signal come while the disk is being written, before or after the commit."""
    journal = ledger.directory.get("news").inbox._desk.loop._journal
    append = journal.append

    def append_interrupted(records):
        if moment == "after":
            append(records)
        monkeypatch.setattr(journal, "append", append)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(journal, "append", append_interrupted)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Interruption])
def test_an_interruption_gets_through_and_the_loop_is_opened_again(ledger, monkeypatch, moment, error):
    def handler(*_):
        raise error

    loop = ledger.create("news", settings=QUIET, policy=GREEDY)
    ask(loop, "first")
    interrupted_at(moment, ledger, monkeypatch)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(error):
            ask(loop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ask(loop) == ask(loop)
    assert [entry.kind for entry in loop.log()] == ["LoopCreated", "Ranked", "Ranked"]


def test_who_is_interrupted_while_waiting_has_still_asked(ledger, monkeypatch, interrupt):
    loop = ledger.create("news", settings=QUIET, policy=GREEDY)
    gate = Gate(ledger.directory.get("news").inbox, monkeypatch)
    first = threading.Thread(target=ask, args=(loop, "first"))
    first.start()
    gate.reached.wait(PATIENCE)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        ask(loop)
    gate.opened.set()
    first.join(PATIENCE)
    assert ask(loop) == ask(loop)
    assert [entry.event_id for entry in loop.log(kinds=["Ranked"])] == ["first", "e"]


def test_after_a_failure_a_ledger_opens_the_loop_afresh_when_it_is_asked_to(ledger, monkeypatch):
    loop, other = (ledger.create(name, settings=QUIET, policy=GREEDY) for name in ("news", "other"))
    recorded = ask(loop)
    gate = Gate(ledger.directory.get("news").inbox, monkeypatch)
    gate.error = OSError("disk")
    gate.opened.set()
    for _ in range(2):
        with pytest.raises(LoopStopped, match="disk") as caught:
            ask(loop, "lost")
        assert caught.value.__cause__ is gate.error
    ask(other)
    assert loop.status().events == 2
    assert ask(ledger.loop("news")) == recorded
    assert ask(loop) == recorded
    assert ask(loop, "lost").event_id == "lost"


def test_a_stopped_loop_does_not_say_that_nothing_is_left_to_erase(ledger):
    loop = ledger.create("news", settings=QUIET, policy=GREEDY)
    ask(loop)
    loop.erase(["e"])
    # As if it had stopped in the middle of that: its write-ahead log may still hold what was erased.
    desk = ledger.directory.get("news").inbox._desk
    desk.failure, desk.closed = OSError("disk"), True
    with pytest.raises(LoopStopped, match="disk"):
        loop.erase(["e"])
    assert ledger.loop("news").erase(["e"]).events == 0


FORKED = """
import os, sys, loopledger
ledger = loopledger.open(sys.argv[1])
loop = ledger.create("news")
loop.rank({}, {"a": {}}, event_id="parent")
child = os.fork()
if not child:
    try:
        loop.rank({}, {"a": {}}, event_id="child")
    except loopledger.LoopStopped as error:
        print(error, flush=True)
    ledger.close()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print(loop.rank({}, {"a": {}}, event_id="later").action)
ledger.close()
print([entry.event_id for entry in loop.log(kinds=["Ranked"])])
"""


def test_a_fork_may_not_use_its_parents_loop(tmp_path):
    said = subprocess.check_output([sys.executable, "-c", FORKED, str(tmp_path)], timeout=60, text=True)
    refusal, action, logged = said.splitlines()
    assert "forked" in refusal
    assert "open it again" in refusal
    assert (action, logged) == ("a", "['parent', 'later']")
    assert [path.name for path in tmp_path.iterdir()] == ["news"]
