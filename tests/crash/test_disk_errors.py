"""The disk fails or is full, at every call that changes files: one loop stops, says why, and comes back whole."""

import json
import shutil
import subprocess
import sys

import faulty
import pytest
from aftermath import check
from power import Disk, Nothing, read_record, remark

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
        json.loads(line) for process in processes for line in process.communicate(timeout=300)[0].splitlines()
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


@pytest.mark.parametrize("sync", range(4, 66, 7))
def test_what_a_failed_sync_was_for_is_not_taken_for_written(tmp_path, disk, sync):
    """Nothing that is acknowledged after a repair is lost where the power fails later.

    Where a sync failed, the system may take for written what was not, and not try again. Here somebody
    opens the loop while the disk still fails, and once more when it is repaired.
    """
    whole, record, left = tmp_path / "whole", tmp_path / "record", tmp_path / "left"
    whole.mkdir()
    (life,) = lives(begun(disk, "FAIL_SYNC_ON", "EIO", whole / "data", sync, 1, record))
    assert (life["failed"], life["wrong"]) == (True, [])
    disk, said, failed, looked = Disk(whole), [], False, 0
    for told in read_record(record):
        disk.tell(told)
        failed = failed or bool(told.error)
        if words := remark(told):
            said.append(words)
            if failed:
                shutil.rmtree(left, ignore_errors=True)
                disk.write_to(left, Nothing())
                check(left / "data", said, 1000)
                looked += 1
    assert looked
