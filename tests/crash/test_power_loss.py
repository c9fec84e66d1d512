"""The power fails: what the disk was not made to keep is lost, and nothing that was acknowledged is."""

import random  # noqa: TID251 - what a disk keeps is random, seeded
import shutil
import sqlite3
import subprocess
import sys
from hashlib import sha256

import faulty
import pytest
from aftermath import check, found
from power import Disk, NamesOnly, Nothing, Some, read_record, remark

import loopledger

pytestmark = pytest.mark.slow


def recorded(folder, disk, weaker="as it is"):
    """Return what the disk was told while the story was told once, to its end."""
    subprocess.run(
        [sys.executable, "-W", "error", str(faulty.HERE / "story.py"), "recorded", str(folder), weaker],
        env=faulty.environment(disk),
        timeout=600,
        check=True,
    )
    return list(read_record(folder / "record"))


def chances(seed):
    yield Nothing()
    yield NamesOnly()
    for number in range(4):
        yield Some(random.Random(f"{seed} {number}"), torn=number % 2 == 1)


def outcomes(told, root, into):
    """Yield what may be left, with what was acknowledged by then, wherever the power may fail.

    That is before a sync, when most is unsure, and wherever something was acknowledged. What would be
    found twice is left out.
    """
    disk, said, seen = Disk(root), [], set()
    for number, one in enumerate([*told, None]):
        if one is None or one.what in "asd":
            for chance in chances(number):
                shutil.rmtree(into, ignore_errors=True)
                left = disk.write_to(into, chance)
                digest = sha256(repr((sorted(left.items()), said)).encode()).digest()
                if digest not in seen:
                    seen.add(digest)
                    yield f"call {number}, {chance}", list(said)
        if one is not None:
            disk.tell(one)
            if words := remark(one):
                said.append(words)


def complaints(folder, disk, weaker="as it is"):
    """Yield for each outcome what is wrong with it, or nothing."""
    told = recorded(folder, disk, weaker)
    whole, left = folder / "whole" / "data", folder / "left"
    end = len(found(whole))
    for what, said in outcomes(told, whole.parent, left):
        try:
            (left / "data").mkdir(exist_ok=True)
            check(left / "data", said, end)
        except (AssertionError, loopledger.LoopledgerError, sqlite3.Error) as error:
            yield f"{what}: {error!r}"
        else:
            yield ""


def test_nothing_acknowledged_is_lost(tmp_path, disk):
    outcomes = list(complaints(tmp_path, disk))
    assert [complaint for complaint in outcomes if complaint] == []
    assert len(outcomes) > 300


@pytest.mark.parametrize(
    ("weaker", "what"), [("no syncs at commits", "decision"), ("no syncs of folders", "loop")]
)
def test_what_syncs_less_is_caught(tmp_path, disk, weaker, what):
    assert any(f"an acknowledged {what} is lost" in one for one in complaints(tmp_path, disk, weaker))
