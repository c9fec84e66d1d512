"""The disk fails or is full, at every call that changes or reads files: one loop stops, says why, and comes back whole."""

import json
import shutil
import sqlite3
import subprocess
import sys

import faulty
import pytest
from aftermath import check
from power import Disk, Nothing, read_record, remark

import loopledger

pytestmark = pytest.mark.slow


def begun(disk, *words):
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(faulty.HERE / "trouble.py"), *map(str, words)],
        env=faulty.environment(disk),
        stdout=subprocess.PIPE,
    )


def lives(*processes):
    """Return what came of each life, of processes that tell it side by side."""
    told = [
        json.loads(line) for process in processes for line in process.communicate(timeout=600)[0].splitlines()
    ]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return told


@pytest.mark.parametrize(
    ("broken", "full", "every"),
    [("FAIL_ONCE", "FAIL_ONCE", 1), ("FAIL_ON", "FILL_UP", 2)],
    ids=["once", "from then on"],
)
def test_every_call_may_fail(tmp_path, disk, broken, full, every):
    # Now a call fails with an error of the disk, now one because it is full.
    told = lives(
        begun(disk, broken, "EIO", tmp_path / "broken", 1, 2 * every),
        begun(disk, full, "ENOSPC", tmp_path / "full", 1 + every, 2 * every),
    )
    assert [life for life in told if life["wrong"]] == []
    failed = {life["call"] for life in told if life["failed"]}
    assert max(failed) > 300
    assert failed == set(range(1, max(failed) + 1, every))
    # Not all of it is anybody's business: what only saves time may not be kept.
    assert sum(bool(life["heard"]) for life in told) > len(told) // 2


def test_every_reading_may_fail(tmp_path, disk):
    told = lives(
        begun(disk, "FAIL_READ_ONCE", "EIO", tmp_path / "once", 1, 1),
        begun(disk, "FAIL_READ_ON", "EIO", tmp_path / "on", 1, 1),
    )
    assert [life for life in told if life["wrong"]] == []
    assert sum(life["failed"] for life in told) > 200
    assert sum(bool(life["heard"]) for life in told) > len(told) // 2


def losses(folder, disk, sync, weaker=""):
    """Return what is wrong with what is left when the power fails after a sync has failed and was repaired.

    Where a sync failed, the system may take for written what was not, and not try again. Here somebody
    opens the loop while the disk still fails, and once more when it is repaired.
    """
    whole, record, left = folder / "whole", folder / "record", folder / "left"
    whole.mkdir()
    (life,) = lives(begun(disk, "FAIL_SYNC_ON", "EIO", whole / "data", sync, 1, record, weaker))
    assert (life["failed"], life["wrong"]) == (True, [])
    disk, said, failed, found = Disk(whole), [], False, []
    for told in read_record(record):
        disk.tell(told)
        failed = failed or bool(told.error)
        if words := remark(told):
            said.append(words)
            if failed:
                shutil.rmtree(left, ignore_errors=True)
                disk.write_to(left, Nothing())
                found.append(complaint(left / "data", said))
    assert found
    return [one for one in found if one]


def complaint(folder, said):
    try:
        check(folder, said, 1000)
    except (AssertionError, loopledger.LoopledgerError, sqlite3.Error) as error:
        return repr(error)
    return ""


@pytest.mark.parametrize("sync", range(4, 66, 7))
def test_what_a_failed_sync_was_for_is_not_taken_for_written(tmp_path, disk, sync):
    assert losses(tmp_path, disk, sync) == []


def test_whoever_takes_it_for_written_is_caught(tmp_path, disk):
    # Which of the syncs are those of a commit is the store's affair: one of some is.
    def caught(sync):
        (folder := tmp_path / str(sync)).mkdir()
        return any("is lost" in one for one in losses(folder, disk, sync, "weaker"))

    assert any(caught(sync) for sync in range(16, 32))
