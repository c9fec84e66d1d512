"""A process is killed before each of its writes, or in the middle of it: what is found afterwards is sound."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import story
from support import TinyLearner

from loopledger.adapters.place import in_folder
from loopledger.audit.verify import verify
from loopledger.clock import SimulatedClock

HERE = Path(__file__).parent
COMPILER = shutil.which("cc")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the library that kills is made for Linux"),
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler for the library that kills"),
]


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    library = tmp_path_factory.mktemp("killer") / "killer.so"
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-o", library, HERE / "killer.c", "-ldl"], check=True
    )
    return library


def lives(folder, killer):
    """Return every life with what it had acknowledged when it ended."""
    search = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        # Forks of a program with threads are what later Pythons warn of; these have none yet.
        [sys.executable, "-W", "error", str(HERE / "story.py"), str(folder)],
        # Bytecode that one life wrote, the next would not write again: their writes would not be the same.
        env={
            **os.environ,
            "LD_PRELOAD": str(killer),
            "PYTHONPATH": search,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        timeout=900,
        check=True,
    )
    return [json.loads(line) for line in told.stdout.splitlines()]


def found(folder):
    """Return the events of a log, by their seqs."""
    with closing(in_folder(folder / "loop").store.reader()) as reader:
        return list(reader.records())


def test_every_write_may_be_the_last(tmp_path, killer):
    *killed, whole = lives(tmp_path, killer)
    assert len(killed) > 100
    assert (whole["status"], whole["said"][-1]) == (0, ["closed"])
    reached = {len(life["said"]) for life in killed}
    assert reached == set(range(len(whole["said"]))), "some step of the story was never interrupted"
    end = len(found(tmp_path / f"{whole['life']:04d}"))
    for life in killed:
        check(tmp_path / f"{life['life']:04d}", life["said"], end)


def check(folder, said, end):
    clock = SimulatedClock()
    directory = story.opened(folder, clock)
    clock.advance(3600)
    try:
        if not directory.has("loop"):
            # It never existed: nobody was told otherwise, and it can be made.
            assert said == []
            directory.create("loop", story.SETTINGS, story.GREEDY)
        session = directory.get("loop")
        records = found(folder)
        # Of what was not acknowledged, at most the command at hand is there, and whole.
        acknowledged = {words[1] for words in said if words[0] == "ranked"}
        logged = {record.event_id for record in records if record.kind == "Ranked"}
        assert acknowledged <= logged
        assert sum(name.startswith("batch") for name in logged) in {0, 5}
        assert len(logged - acknowledged - {f"batch-{number}" for number in range(5)}) <= 1
        assert len(records) <= end
        assert max((words[1] for words in said if words[0] == "at"), default=0) <= len(records)
        versions = sum(record.kind == "ModelTrained" for record in records)
        assert max((words[1] for words in said if words[0] == "trained"), default=0) <= versions
        # What is erased is said to be, and it is all that was to be erased, one by one.
        erased = [record.event_id for record in records if record.erased]
        assert erased == story.ERASED[: len(erased)]
        assert len(erased) == sum(record.kind == "Erased" for record in records)
        assert ["erased"] not in said or erased == story.ERASED
        # Whoever asks again gets the answer that was given.
        for words in said:
            if words[0] == "ranked":
                assert session.ask(story.rank(words[1])).action == words[2]
        assert len(found(folder)) == len(records)
        assert session.ask(story.rank("afterwards")).event_id == "afterwards"
        session.train()
        place = in_folder(folder / "loop")
        with closing(place.store.reader()) as reader:
            verification = verify(reader, TinyLearner(), place.checkpoints)
            assert verification.holds, verification.findings.problems
    finally:
        directory.close()
    with closing(sqlite3.connect(folder / "loop" / "log.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not list(folder.glob("loop/*.new")) or said != []
