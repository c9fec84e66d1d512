import sqlite3
from contextlib import closing

import pytest

from loopledger.adapters.place import in_folder
from loopledger.adapters.sqlite.copying import copy_log, copy_until
from loopledger.adapters.sqlite.journal import SqliteJournal
from loopledger.adapters.sqlite.migrations import changed_schema
from loopledger.adapters.sqlite.reader import open_reader
from loopledger.clock import SimulatedClock
from loopledger.errors import LogDamaged, LoopledgerError
from loopledger.log.chain import seal
from loopledger.log.events import LoopCreated, Rewarded
from loopledger.loop import create
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


@pytest.fixture
def folder(tmp_path):
    """A loop's folder, whose log is a few megabytes long."""
    created = LoopCreated(loop_id="one", settings=Settings(), policy=LearningPolicy("p", "--cb_explore_adf"))
    folder = tmp_path / "one"
    create(in_folder(folder).store, SimulatedClock(), created)
    with closing(SqliteJournal(folder / "log.db")) as journal:
        for _ in range(6):
            write(journal, 500)
    return folder


def write(journal, count):
    head, records = journal.head(), []
    for _ in range(count):
        records.append(seal(head, head.at, Rewarded(1.0, key="k" * 2000), "somebody"))
        head = type(head)(records[-1].seq, records[-1].at, records[-1].digest)
    journal.append(records)


def quiet(_done, _total):
    pass


def contents(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM events ORDER BY seq").fetchall()


def test_a_copy_is_of_one_moment_and_ends_however_much_is_written_meanwhile(folder, tmp_path):
    told = []
    with closing(SqliteJournal(folder / "log.db")) as journal:
        before = journal.head()

        def meanwhile(done, total):
            told.append((done, total))
            assert len(told) < 100, "it is begun anew again and again"
            write(journal, 300)  # enough for the writer's own checkpoints, too

        copy_log(folder / "log.db", tmp_path / "copy.db", meanwhile)
        assert len(told) > 2
        assert {total for _, total in told} == {told[-1][0]}  # it was never begun anew
        assert journal.head().seq == before.seq + 300 * len(told)
    with closing(open_reader(tmp_path / "copy.db")) as reader:
        assert reader.head() == before
        assert reader.committed().seq == before.seq
        assert reader.faults(deep=True) == []
    assert contents(tmp_path / "copy.db") == contents(folder / "log.db")[: before.seq]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "one"]


@pytest.mark.parametrize("seq", [1, 2, 2999, 3001])
def test_a_copy_up_to_an_event_is_a_log_that_ends_there_and_can_go_on(folder, tmp_path, seq):
    copy_until(folder / "log.db", tmp_path / "copy.db", seq, quiet)
    assert contents(tmp_path / "copy.db") == contents(folder / "log.db")[:seq]
    with closing(SqliteJournal(tmp_path / "copy.db")) as journal:
        assert journal.head().seq == journal.committed().seq == seq
        assert journal.faults(deep=True) == []
        write(journal, 1)
        assert journal.head().seq == seq + 1


def test_a_file_that_is_there_is_never_written_over(folder, tmp_path):
    (tmp_path / "copy.db").write_bytes(b"dear")
    for copy in (copy_log, lambda *what: copy_until(*what[:2], 3, what[2])):
        with pytest.raises(FileExistsError):
            copy(folder / "log.db", tmp_path / "copy.db", quiet)
    assert (tmp_path / "copy.db").read_bytes() == b"dear"


def test_what_cannot_be_copied_is_said_in_a_sentence(tmp_path):
    with pytest.raises(LoopledgerError, match="the log cannot be copied: unable to open"):
        copy_log(tmp_path / "missing.db", tmp_path / "copy.db", quiet)
    (tmp_path / "text.db").write_bytes(b"this is no database at all" * 1000)
    for copy in (copy_log, lambda *what: copy_until(*what[:2], 3, what[2])):
        with pytest.raises(LogDamaged):
            copy(tmp_path / "text.db", tmp_path / f"copy-{copy.__name__}.db", quiet)


def test_what_litestream_makes_in_a_log_is_no_change_of_it_and_anything_else_is(folder):
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);"
        )
        connection.execute("CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER);")
        assert changed_schema(connection) == []
        SqliteJournal(folder / "log.db").close()
        connection.execute("DROP TABLE _litestream_lock")
        connection.execute("CREATE TABLE _litestream_lock (id INTEGER, more TEXT)")
        assert changed_schema(connection) == ["_litestream_lock"]
        connection.execute("DROP TABLE _litestream_lock")
        connection.execute(
            "CREATE TRIGGER _litestream_new AFTER INSERT ON _litestream_seq BEGIN SELECT 1; END"
        )
        assert changed_schema(connection) == ["_litestream_new"]
    with pytest.raises(LogDamaged, match="_litestream_new"):
        SqliteJournal(folder / "log.db")
