"""A process is killed before each of its writes, or in the middle of it: what is found afterwards is sound."""

import json
import subprocess
import sys

import faulty
import pytest
from aftermath import check, found

pytestmark = pytest.mark.slow


def lives(folder, disk):
    """Return every life with what it had acknowledged when it ended."""
    told = subprocess.run(
        # Forks of a program with threads are what later Pythons warn of; these have none yet.
        [sys.executable, "-W", "error", str(faulty.HERE / "story.py"), "killed", str(folder)],
        env=faulty.environment(disk),
        stdout=subprocess.PIPE,
        timeout=600,
        check=True,
    )
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_every_write_may_be_the_last(tmp_path, disk):
    *killed, whole = lives(tmp_path, disk)
    assert len(killed) > 100
    assert (whole["status"], whole["said"][-1]) == (0, ["closed"])
    reached = {len(life["said"]) for life in killed}
    assert reached == set(range(len(whole["said"]))), "some step of the story was never interrupted"
    end = len(found(tmp_path / f"{whole['life']:04d}"))
    for life in killed:
        check(tmp_path / f"{life['life']:04d}", life["said"], end)
