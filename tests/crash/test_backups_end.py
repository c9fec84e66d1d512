"""Backing up and restoring end at any moment: what is there afterwards is whole."""

import random  # noqa: TID251 - when to kill is random, seeded
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import learned
import pytest
from processes import Child

import loopledger
from loopledger.adapters.place import in_folder
from loopledger.audit.verify import verify

COPIER = Path(__file__).with_name("copier.py")


@pytest.fixture(scope="module")
def learned_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copier") / "data"
    learned.make(folder, rounds=1)
    return folder


def seen(folder):
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def lives(tmp_path, learned_data, vw, seed, count):
    chance = random.Random(seed)
    shutil.copytree(learned_data, tmp_path / "data")
    killed_at = set()
    for life in range(count):
        with Child(COPIER, tmp_path, life) as child:
            assert child.line() == ["ready"]
            said = [child.line() for _ in range(chance.randrange(6))]
            time.sleep(chance.random() * 0.08)
            child.kill()
            said += child.rest()
            assert child.end() == (-9, "")
        killed_at.add(said[-1][0] if said else "")
        for words in said:
            if words[0] == "restored":
                assert (tmp_path / "new" / words[1] / "log.db").is_file()
    copies = [path for path in seen(tmp_path) if path.name.startswith("copy")]
    with loopledger.open(tmp_path / "again") as ledger:
        for copy in copies:
            # All that can be seen is whole.
            ledger.restore(copy, called=copy.name, chain_only=True)
        assert len(ledger.loops()) == len(copies) > 0
    loops = [path for path in seen(tmp_path / "new") if path.is_dir()]
    for folder in loops:
        place = in_folder(folder)
        with closing(place.store.reader()) as reader:
            verification = verify(reader, vw, place.checkpoints)
            assert verification.holds, verification.findings.problems
            assert verification.head == 100 or folder.name.startswith("whole")
    return killed_at


@pytest.mark.slow
def test_a_kill_leaves_nothing_that_is_half_there(tmp_path, learned_data, vw):
    lives(tmp_path, learned_data, vw, seed=1, count=4)


@pytest.mark.slow
def test_many_kills_leave_nothing_that_is_half_there(tmp_path, learned_data, vw):
    assert len(lives(tmp_path, learned_data, vw, seed=2, count=12)) > 1


NARROW = """
import os, resource, sys
import loopledger

what, data, other, place, *sizes = sys.argv[1:]
before = sorted(os.listdir(place))
with loopledger.open(data) as ledger:
    for most in map(int, sizes):
        # No file may grow beyond this, as where a disk is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            if what == "backup":
                ledger.backup(other)
            else:
                ledger.restore(other, "news", seq=100 if what == "cut" else None, chain_only=True)
        except (loopledger.LoopledgerError, OSError) as error:
            print("nothing stays" if sorted(os.listdir(place)) == before else "something stays", error)
        else:
            print("done")
"""


@pytest.mark.parametrize("what", ["backup", "restore", "cut"])
def test_where_there_is_no_room_nothing_stays(tmp_path, learned_data, what):
    data = shutil.copytree(learned_data, tmp_path / "data")
    with loopledger.open(data) as ledger:
        ledger.backup(tmp_path / "whole")
    (tmp_path / "new").mkdir()
    size = (tmp_path / "whole" / "news" / "log.db").stat().st_size
    if what == "backup":
        words = data, tmp_path / "copy", tmp_path
    else:
        words = tmp_path / "new", tmp_path / "whole", tmp_path / "new"
    sizes = 0, 8192, size // 2, size - 1, size * 2
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NARROW, what, *map(str, words), *map(str, sizes)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    *refused, last = done.stdout.splitlines()
    assert [line[:13] for line in refused] == ["nothing stays"] * 4, done.stdout
    assert last == "done"
