"""How processes end: those who forget to close, workers whose loop is gone, holders who die."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import learned
import pytest
from processes import Child, ended, runs
from quick import slow_but

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.errors import LoopInUse, LoopStopped

CHILD = Path(__file__).with_name("child.py")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_processes")]
ACTIONS = {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}


@pytest.mark.parametrize("how", slow_but({"forget"}, ["forget", "forget_async", "forget_at_work"]))
def test_a_program_that_forgets_to_close_ends_by_itself(tmp_path, how):
    with Child(CHILD, how, tmp_path) as child:
        while child.line() not in ([], ["done"]):
            pass
        begun = time.monotonic()
        assert child.end() == (0, "")
        # Nothing is waited for: not a timer, not an idle worker, not a reader.
        assert time.monotonic() - begun < 5
    with loopledger.open(tmp_path, workers=1) as ledger:
        for name in ledger.loops():
            assert ledger.loop(name).verify().holds


def test_a_program_that_fails_fails_with_its_own_error(tmp_path):
    with Child(CHILD, "fail", tmp_path) as child:
        assert child.line() == ["done"]
        assert child.end() == (7, "")


@pytest.mark.parametrize("what", slow_but({"learn"}, ["idle", "learn"]))
def test_a_learning_process_does_not_outlive_its_loop(tmp_path, what):
    with Child(CHILD, what, tmp_path) as child:
        word, worker = child.line()
        assert word == "worker"
        assert runs(int(worker))
        child.kill()
        child.end()
        assert ended(int(worker))


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go, empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_no_models_lie_about_when_a_ledger_is_closed(tmp_path, scratch):
    learned.make(tmp_path / "data", rounds=1)
    assert not list(scratch.iterdir())


def test_no_models_lie_about_when_a_learning_process_dies(tmp_path, scratch):
    with loopledger.open(tmp_path / "data", workers=1) as ledger:
        ledger.create("loop")
        (worker,) = ledger.directory.learner._workers._idle
        os.kill(worker.process, signal.SIGKILL)
        assert ended(worker.process)
        # Nobody who asks has to hear of it.
        ledger.create("other")
        assert ledger.directory.learner._workers._idle != [worker]
        assert len(list(scratch.iterdir())) == 1
    assert not list(scratch.iterdir())


def test_no_models_lie_about_when_a_program_ends_while_it_learns(tmp_path, scratch):
    # The end may come before a step or after it; with several programs, some end in the middle.
    with ExitStack() as stack:
        children = [stack.enter_context(Child(CHILD, "forget_at_work", tmp_path / str(n))) for n in range(5)]
        assert {child.end()[0] for child in children} == {0}
    assert not list(scratch.glob("loopledger-worker-*"))


def test_no_models_lie_about_when_the_loop_dies(tmp_path, scratch):
    with Child(CHILD, "idle", tmp_path / "data") as child:
        _, worker = child.line()
        assert any(scratch.iterdir())
        child.kill()
        child.end()
        assert ended(int(worker))
    assert not list(scratch.iterdir())


def test_a_verifying_process_does_not_outlive_the_one_that_asked(tmp_path):
    learned.make(tmp_path, rounds=1)
    script = tmp_path / "verify.py"
    script.write_text(
        "import os, subprocess, sys, time\n"
        "import loopledger\n"
        "from loopledger.adapters import verifier\n"
        "started = subprocess.Popen\n"
        "def start(*words, **more):\n"
        "    process = started(*words, **more)\n"
        "    os.write(1, f'verifier {process.pid}\\n'.encode())\n"
        "    time.sleep(600)\n"
        "subprocess.Popen = start\n"
        "place = __import__('loopledger.adapters.place', fromlist=['']).in_folder\n"
        "from pathlib import Path\n"
        "from loopledger.audit.segment import Segment\n"
        "run = verifier.side_by_side(Path(sys.argv[1]) / 'news')\n"
        "list(run([Segment(0, (), ())], lambda more: None))\n"
    )
    with Child(script, tmp_path) as child:
        word, verifier = child.line()
        assert word == "verifier"
        assert runs(int(verifier))
        child.kill()
        child.end()
        assert ended(int(verifier))


def test_a_second_process_is_refused_and_told_who_is_there(tmp_path):
    with Child(CHILD, "hold", tmp_path) as holder:
        assert holder.line() == ["held"]
        with loopledger.open(tmp_path, workers=1) as ledger:
            with pytest.raises(LoopInUse, match=f"process {holder.pid}"):
                ledger.loop("loop")
            # The refusal breaks nothing: other loops are open to whoever comes.
            assert ledger.create("other").rank({}, ACTIONS).action in ACTIONS
            # Looking needs no permission.
            reader = in_folder(tmp_path / "loop").store.reader()
            assert reader.head().seq == 2
            reader.close()


def test_when_the_holder_dies_the_next_opens_at_once(tmp_path):
    with Child(CHILD, "hold", tmp_path) as holder:
        assert holder.line() == ["held"]
        holder.kill()
        holder.end()
    with loopledger.open(tmp_path, workers=1) as ledger:
        assert ledger.loop("loop").rank({}, ACTIONS).event_id
        assert ledger.loop("loop").status().counts["Ranked"] == 2


def test_a_holder_whose_lock_file_is_deleted_fails_and_the_log_is_sound(tmp_path):
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.create("loop")
        loop.rank({}, ACTIONS, event_id="before")
        (tmp_path / "loop" / "writer.lock").unlink()
        with Child(CHILD, "hold", tmp_path) as other:
            assert other.line() == ["held"]
            with pytest.raises(LoopStopped, match="another writer has taken over"):
                loop.rank({}, ACTIONS, event_id="after")
    with loopledger.open(tmp_path, workers=1) as ledger:
        loop = ledger.loop("loop")
        assert [entry.event_id for entry in loop.log(kinds=["Ranked"])] == ["before", "held"]
        assert loop.verify().holds


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("opened", slow_but({True}, [True, False]))
def test_a_fork_neither_writes_nor_waits(tmp_path, opened):
    script = tmp_path / "fork.py"
    script.write_text(
        "import os, sys, loopledger\n"
        "ledger = loopledger.open(sys.argv[1], workers=1)\n"
        "loop = ledger.create('loop')\n"
        f"{opened} and loop.status() and loop.settings\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    learner = ledger.directory.learner\n"
        "    for what in (lambda: loop.rank({}, {'a': {}, 'b': {}}), lambda: ledger.create('other'),\n"
        "                 lambda: learner.probe(loopledger.ready_policy('recommended'))):\n"
        "        try:\n"
        "            what()\n"
        "        except loopledger.LoopledgerError as error:\n"
        "            print(type(error).__name__, flush=True)\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "loop.rank({}, {'a': {}, 'b': {}})\n"
        "print('ranked', loop.status().events)\n"
    )
    # Python 3.12 warns of forks in programs with threads; that is what is tested here.
    found = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.stdout.split() == ["LoopStopped", "LoopStopped", "LearnerFailed", "ranked", "2"], (
        found.stderr
    )


def test_everything_but_the_log_may_be_gone(tmp_path):
    learned.make(tmp_path / "data")
    with loopledger.open(tmp_path / "data", workers=1) as ledger:
        loop = ledger.loop("news")
        asked = {"hour": 1}, learned.ACTIONS
        first = loop.rank(*asked, event_id="e")
        before = loop.status()
    (tmp_path / "bare" / "news").mkdir(parents=True)
    shutil.copy(tmp_path / "data" / "news" / "log.db", tmp_path / "bare" / "news")
    with loopledger.open(tmp_path / "bare", workers=1) as ledger:
        loop = ledger.loop("news")
        assert loop.rank(*asked, event_id="e") == first
        assert loop.status() == before
        assert loop.rank(*asked, event_id="f").model_version == 3
