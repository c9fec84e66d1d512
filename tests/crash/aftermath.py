"""What has to be true of a loop's folder after the story was interrupted, however that was."""

import sqlite3
from contextlib import closing, contextmanager

import story
from support import TinyLearner

from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite import journal
from loopledger.audit.verify import verify
from loopledger.clock import SimulatedClock


def found(folder):
    """Return the events of a log, by their seqs."""
    with closing(in_folder(folder / "loop").store.reader()) as reader:
        return list(reader.records())


@contextmanager
def unsynced():
    """Let commits wait for no disk: nothing is interrupted here any more."""
    connect = journal.connect_writer
    story.weaken("OFF")
    try:
        yield
    finally:
        journal.connect_writer = connect


@unsynced()
def check(folder, said, end):
    """Check that all that was acknowledged is there, that the rest is whole, and that the loop goes on.

    Args:
        folder: The data folder.
        said: What was acknowledged.
        end: How many events the whole story has.

    """
    clock = SimulatedClock()
    directory = story.opened(folder, clock)
    clock.advance(3600)
    try:
        if not directory.has("loop"):
            # It never existed: nobody was told otherwise, and it can be made.
            assert said == [], "an acknowledged loop is lost"
            directory.create("loop", story.SETTINGS, story.GREEDY)
        session = directory.get("loop")
        records = found(folder)
        _nothing_is_lost(records, said)
        _nothing_is_half(records, end)
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


def _nothing_is_lost(records, said):
    # Of what was not acknowledged, at most the command at hand is there, and whole.
    acknowledged = {words[1] for words in said if words[0] == "ranked"}
    logged = {record.event_id for record in records if record.kind == "Ranked"}
    assert acknowledged <= logged, "an acknowledged decision is lost"
    assert len(logged - acknowledged - {f"batch-{number}" for number in range(5)}) <= 1
    assert max((words[1] for words in said if words[0] == "at"), default=0) <= len(records)
    versions = sum(record.kind == "ModelTrained" for record in records)
    assert max((words[1] for words in said if words[0] == "trained"), default=0) <= versions
    erased = [record.event_id for record in records if record.erased]
    assert ["erased"] not in said or erased == story.ERASED


def _nothing_is_half(records, end):
    logged = {record.event_id for record in records if record.kind == "Ranked"}
    assert sum(name.startswith("batch") for name in logged) in {0, 5}
    assert len(records) <= end
    # What is erased is said to be, and it is all that was to be erased, one by one.
    erased = [record.event_id for record in records if record.erased]
    assert erased == story.ERASED[: len(erased)]
    assert len(erased) == sum(record.kind == "Erased" for record in records)
