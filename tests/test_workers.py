"""Learning processes that die, hang or answer rubbish in the middle of a training: only that training fails."""

import threading
import time

import pytest
from support import GREEDY, Lent

import loopledger
from loopledger import Settings
from loopledger.adapters.embedding import directory
from loopledger.adapters.vw import workers
from loopledger.adapters.vw.learner import VwLearner
from loopledger.adapters.vw.wire import Probe

pytestmark = pytest.mark.usefixtures("own_processes")

ACTIONS = {"a": {"x": 1}, "b": {"x": 2}}

# The first process does what the file says and takes the file away; those after it are as they should be.
PROGRAM = """
import os, signal, socket, struct, sys, time
from pathlib import Path
from loopledger.adapters.vw import wire, worker

told = Path(__file__).with_name("told")
if not told.exists():
    worker.main()
    sys.exit()
how = told.read_text()
told.unlink()
connection = socket.socket(fileno=int(sys.argv[1]))
message, descriptors = wire.receive(connection)
count = len(open(descriptors[0], "rb").readlines()) if descriptors else 0
Path(__file__).with_name("learned").touch()

def say(length, content=b""):
    connection.sendall(struct.pack("<Q", length) + content)

if how == "no message":
    say(10, b"\\xc1" * 10)
elif how == "another message":
    say(3, b"\\x93\\x01\\x02")
elif how == "text for bytes":
    wire.send(connection, {"model": 7, "examples": "many"})
elif how == "an endless message":
    say(2**63)
elif how == "half a length":
    connection.sendall(b"\\x09\\x00")
elif how == "half a message":
    say(1000, b"\\x82")
elif how == "half a message and no more":
    say(1000, b"\\x82")
    time.sleep(600)
elif how == "nothing":
    time.sleep(600)
elif how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "too many":
    wire.send(connection, wire.Answer(model=b"model", examples=count + 1))
elif how == "no model":
    wire.send(connection, wire.Answer(examples=count))
elif how == "another model":
    wire.send(connection, wire.Answer(model=b"rubbish" * 999, examples=count))
"""
RUBBISH = {
    "no message": "cannot be read",
    "another message": "cannot be read",
    "text for bytes": "cannot be read",
    "an endless message": "cannot be read",
    "half a length": "ended with 0",
    "half a message": "ended with 0",
    "half a message and no more": "hung",
    "nothing": "hung",
    "killed": "SIGKILL",
    "too many": "of 300 examples",
    "no model": "no model",
    "another model": "model|weights|cannot|bad|vw|VW|exit|version",
}


FAST = ("no message", "half a message", "nothing", "another model")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return the file that says what the next learning process does instead of its work."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "rubbish_worker.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(workers, "_PROGRAM", "rubbish_worker")
    return folder / "told"


@pytest.fixture
def learner(told):  # noqa: ARG001 - its processes are those
    learner = VwLearner(workers=1, patience=1.0)
    yield learner
    learner.close()


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=() if how in FAST else pytest.mark.slow) for how in RUBBISH]
)
def test_a_training_that_comes_to_nothing_changes_nothing(tmp_path, clock, monkeypatch, told, learner, how):
    monkeypatch.setattr(directory, "VwLearner", lambda _: Lent(learner))
    settings = Settings(model_update_frequency=0)
    with loopledger.open(tmp_path / "data", clock=clock) as ledger:
        loop = ledger.create("news", policy=GREEDY, settings=settings)
        loop.rank({}, ACTIONS, event_id="first")
        clock.advance(601)
        assert loop.train() == [1]
        for number in range(300):
            loop.rank({"n": number % 7}, ACTIONS)
        clock.advance(601)
        before = loop.status()
        told.write_text(how)
        learner._workers._idle.pop().close()  # the next one is told
        meanwhile = []

        def go_on():
            while not told.with_name("learned").exists():
                time.sleep(0.01)
            meanwhile.extend(loop.rank({"n": 1}, ACTIONS).model_version for _ in range(5))

        asking = threading.Thread(target=go_on, daemon=True)
        asking.start()
        with pytest.raises(loopledger.LearnerFailed, match=RUBBISH[how]):
            loop.train()
        asking.join(60)
        assert meanwhile == [1] * 5
        after = loop.status()
        assert (after.published, after.versions) == (before.published, before.versions) == (1, 1)
        # One that gave a wrong answer, but an answer, is kept; here it ends by itself, and soon.
        while any(worker.alive for worker in learner._workers._idle):
            time.sleep(0.01)
        assert loop.train() == [2]
        assert loop.rank({}, ACTIONS).model_version == 2


@pytest.mark.parametrize("how", ["no message", "half a message", "killed"])
def test_a_policy_is_tried_again_by_another_process(told, learner, how):
    told.write_text(how)
    request = Probe(GREEDY, None, b'{"_multi":[{"a":{"x":1}},{"a":{"x":2}}]}', expected=2)
    with pytest.raises(loopledger.LearnerFailed):
        learner._workers.ask(request)
    assert learner._workers.ask(request).error is None
