"""Temporary folders: for their owner's eyes, kept while somebody uses them, removed after those who were killed."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time

import learned
import pytest
from processes import Child

import loopledger
from loopledger.adapters import scratch
from loopledger.adapters.embedding.computing import Task
from loopledger.adapters.optimization.apart import computed_apart
from loopledger.adapters.scratch import LOCK, PREFIX, Scratch, abandoned, remove, sweep
from loopledger.evaluation.request import FeatureImportanceRequest

KILLED = """
import sys, time
from pathlib import Path
import loopledger

data, how = sys.argv[1:]

def told(*_):
    print("at it", flush=True)
    time.sleep(600)

with loopledger.open(data, workers=1, clock=loopledger.SimulatedClock({at})) as ledger:
    loop = ledger.loop("news")
    if how == "features":
        loop.features(method="leave-one-out", progress=told)
    else:
        loop.evaluate([], progress=told)
"""
AT = learned.START + 86_400 * 1_000_000


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where temporary files go, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def leave(place, name="left"):
    """Leave a folder as a killed process does: whole, its lock held by nobody."""
    left = place / f"{PREFIX}{name}"
    with Scratch() as folder:
        (folder / "joined").write_text("what decisions held")
        (folder / "deeper").mkdir()
        (folder / "deeper" / "model.vw").touch()
        shutil.copytree(folder, left)
    return left


def test_only_the_owner_may_read_it_and_it_goes(place):
    with Scratch() as folder:
        assert folder.parent == place
        assert folder.name.startswith(PREFIX)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "joined").write_text("what decisions held")
    assert not list(place.iterdir())


def test_what_is_in_use_stays_and_what_is_not_goes(place):
    left = leave(place)
    with Scratch() as folder:
        assert abandoned() == [left]
        sweep()
        assert list(place.iterdir()) == [folder]
        assert (folder / LOCK).exists()


def test_the_first_folder_of_a_process_removes_what_was_left_and_later_ones_do_not_look(place, monkeypatch):
    leave(place)
    monkeypatch.setattr(scratch, "_looked", set())
    with Scratch() as folder:
        assert list(place.iterdir()) == [folder]
        left = leave(place)
        with Scratch():
            assert left.exists()


def test_what_is_not_ours_stays(place, tmp_path, monkeypatch):
    (place / f"{PREFIX}data").mkdir()  # somebody's own, with the same beginning
    (place / f"{PREFIX}data" / "log.db").touch()
    (place / f"{PREFIX}file").touch()
    elsewhere = leave(tmp_path)
    (place / f"{PREFIX}link").symlink_to(elsewhere)
    (place / f"{PREFIX}locked").mkdir()
    (place / f"{PREFIX}locked" / LOCK).symlink_to(elsewhere / LOCK)
    leave(place).rename(place / "another")
    before = sorted(place.rglob("*"))
    sweep()
    assert sorted(place.rglob("*")) == before
    assert (elsewhere / "joined").exists()
    another = leave(place)
    monkeypatch.setattr(os, "getuid", lambda: another.stat().st_uid + 1)
    sweep()
    assert another.exists()


def test_a_folder_that_is_just_being_made_stays(place, monkeypatch):
    locked = scratch.fcntl.flock
    seen = []

    def swept_before_it_is_locked(file, how):
        if not seen:
            seen.append(None)
            sweep()
            seen.extend(place.glob(f"{PREFIX}*"))
        locked(file, how)

    monkeypatch.setattr(scratch.fcntl, "flock", swept_before_it_is_locked)
    with Scratch() as folder:
        assert seen[1:] == [folder]
        assert [path.name for path in folder.iterdir()] == [LOCK]


def test_where_no_lock_can_be_held_it_works_and_is_never_taken_for_abandoned(place, monkeypatch):
    def refuse(*_):
        raise OSError(scratch.errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(scratch.fcntl, "flock", refuse)
        kept = Scratch()
    sweep()
    assert kept.path.exists()
    kept.remove()
    assert not list(place.iterdir())


def test_a_folder_that_cannot_be_locked_for_want_of_room_leaves_nothing(place, monkeypatch):
    def refuse(*_):
        raise OSError(scratch.errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scratch.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No space"):
        Scratch()
    assert not list(place.iterdir())


def test_its_lock_goes_last_so_that_the_next_can_go_on(place, monkeypatch):
    left = leave(place)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scratch.shutil, "rmtree", interrupt)
        with pytest.raises(KeyboardInterrupt):
            remove(left)
    assert abandoned() == [left]
    sweep()
    assert not left.exists()


def test_a_process_that_inherits_the_lock_keeps_the_folder(place):
    shared = Scratch()
    words = [sys.executable, "-c", "input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[shared.descriptor]) as other:
        shared._lock.close()  # as when this process is killed
        sweep()
        assert shared.path.exists()
        other.communicate(b"\n")
    sweep()
    assert not list(place.iterdir())


@pytest.mark.usefixtures("own_processes")
@pytest.mark.parametrize("how", ["features", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_what_a_killed_process_leaves_is_named_and_the_next_one_removes_it(tmp_path, place, how):
    data = tmp_path / "data"
    learned.make(data)
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(at=AT))
    with Child(script, data, how) as child:
        assert child.line() == ["at", "it"]
        sweep()
        child.kill()
        child.end()
    left = abandoned()
    assert left
    assert any(
        b"hour" in file.read_bytes() for folder in left for file in folder.rglob("*") if file.is_file()
    )
    with loopledger.open(data, workers=1, clock=loopledger.SimulatedClock(AT)) as ledger:
        named = [found for found in ledger.doctor().of("note") if found.subject == "temporary folder"]
        assert "killed programs have left 1 folder" in named[0].found
        ledger.loop("news").evaluate([])
        assert not abandoned()
        assert not [finding for finding in ledger.doctor().findings if finding.subject == "temporary folder"]
    assert not list(place.iterdir())


@pytest.mark.usefixtures("own_processes")
def test_what_a_process_leaves_that_is_ended_goes_with_what_it_was_begun_for(tmp_path, place):
    learned.make(tmp_path / "data")
    request = FeatureImportanceRequest(first=1, last=376, method="leave-one-out")
    task = Task("news", AT, request)
    seen = []

    def keep_on():
        seen.extend(place.rglob("Ranked.*"))
        if seen:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        computed_apart(tmp_path / "data" / "news", task, keep_on)
    assert not any(place.rglob("Ranked.*"))
    for _ in range(1000):  # its learning process has yet to hear of it
        sweep()
        if not list(place.iterdir()):
            break
        time.sleep(0.01)
    assert not list(place.iterdir())


def test_what_cannot_be_removed_keeps_its_lock_for_the_next_time(place, monkeypatch):
    left = leave(place)
    with monkeypatch.context() as patch:
        patch.setattr(scratch.shutil, "rmtree", lambda *_, **__: None)
        remove(left)
    assert abandoned() == [left]
    sweep()
    assert not left.exists()
