"""What is particular to the event store on SQLite."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import learned
import pytest

from loopledger.adapters.sqlite import queries
from loopledger.adapters.sqlite.connection import APPLICATION_ID, connect_writer
from loopledger.adapters.sqlite.lock import WriterLock
from loopledger.adapters.sqlite.migrations import Migration, migrate, migrations
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.errors import LogDamaged, LoopInUse, LoopStopped, NotFound
from loopledger.log.chain import Head, check, head_of, seal
from loopledger.log.events import Activated, ModelReset


def filled(folder, count=20):
    journal = SqliteStore(folder).writer()
    head, records = journal.head(), []
    for number in range(count):
        records.append(
            seal(head, number, Activated() if number % 2 else ModelReset(), "e" if number % 2 else None)
        )
        head = head_of(records[-1])
    journal.append(records)
    journal.close()
    return folder / "log.db"


def raw(path):
    return sqlite3.connect(path, isolation_level=None)


def test_how_the_database_is_set_up(tmp_path):
    path = filled(tmp_path)
    journal = SqliteStore(tmp_path).writer()

    def pragma(name):
        return journal._connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("recursive_triggers") == 1
    assert pragma("application_id") == APPLICATION_ID
    assert pragma("user_version") == len(migrations())
    assert pragma("wal_autocheckpoint") == 0
    journal.close()
    with raw(path) as connection:
        assert {
            row[5] for row in connection.execute("PRAGMA table_list") if row[1] in {"events", "writer"}
        } == {1}
        kind, body = connection.execute("SELECT typeof(body), body FROM events WHERE seq = 2").fetchone()
        assert (kind, body) == ("text", '{"kind":"Activated"}')
        assert connection.execute("SELECT body ->> '$.kind' FROM events WHERE seq = 1").fetchone() == (
            "ModelReset",
        )
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET at = 0 WHERE seq = 3",
        "UPDATE events SET body = '{}'",
        "DELETE FROM events WHERE seq = 20",
        "INSERT OR REPLACE INTO events SELECT seq, at, kind, event_id, codec, '{}', digest FROM events WHERE seq = 3",
        "REPLACE INTO events SELECT seq, at, kind, event_id, codec, '{}', digest FROM events WHERE seq = 20",
        "INSERT OR IGNORE INTO events SELECT 25, at, kind, event_id, codec, body, digest FROM events WHERE seq = 3",
        "INSERT INTO events VALUES ('x', 1, 'k', NULL, 0, '{}', x'00')",
    ],
)
def test_events_are_appended_and_never_changed(tmp_path, statement):
    filled(tmp_path)
    connection = connect_writer(tmp_path / "log.db")
    before = connection.execute("SELECT * FROM events").fetchall()
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    assert connection.execute("SELECT * FROM events").fetchall() == before
    connection.close()


def test_readers_cannot_write_and_do_not_block(tmp_path):
    filled(tmp_path)
    store = SqliteStore(tmp_path)
    reader = store.reader()
    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM events")
    pages = reader.records()
    next(pages)
    journal = store.writer()
    journal.append([seal(journal.head(), 99, ModelReset())])
    assert len(list(pages)) == 19
    journal.close()
    reader.close()


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(NotFound):
        SqliteStore(tmp_path / "nowhere").reader()


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "log.db").write_bytes(b"not a database at all, but long enough to look at" * 100)
    for opened in (SqliteStore(tmp_path).writer, SqliteStore(tmp_path).reader):
        with pytest.raises(LogDamaged):
            opened()
    (tmp_path / "log.db").unlink()
    with raw(tmp_path / "log.db") as connection:
        connection.execute("CREATE TABLE somebody_elses (x)")
    connection.close()
    for opened in (SqliteStore(tmp_path).writer, SqliteStore(tmp_path).reader):
        with pytest.raises(LogDamaged, match="not a loopledger log"):
            opened()


def test_an_empty_file_is_no_log_to_read(tmp_path):
    (tmp_path / "log.db").touch()
    with pytest.raises(LogDamaged, match="never set up"):
        SqliteStore(tmp_path).reader()


def test_a_log_of_a_newer_release_is_refused(tmp_path):
    with raw(filled(tmp_path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogDamaged, match="newer"):
        SqliteStore(tmp_path).writer()


def test_a_codec_of_a_newer_release_is_refused(tmp_path):
    path = filled(tmp_path)
    with raw(path) as connection:
        connection.execute("DROP TRIGGER events_are_not_changed")
        connection.execute("UPDATE events SET codec = 7 WHERE seq = 4")
    connection.close()
    reader = SqliteStore(tmp_path).reader()
    with pytest.raises(LogDamaged, match="codec 7") as caught:
        list(reader.records())
    assert caught.value.seq == 4
    reader.close()


def steps():
    another = Migration(
        len(migrations()) + 1,
        "9999_more.sql",
        "CREATE TABLE more (x);\n-- a comment; with a semicolon\nCREATE TABLE other (y);\n",
    )
    return [*migrations(), another]


def test_migrations_are_applied_once_and_remembered(tmp_path):
    connection = connect_writer(tmp_path / "log.db")
    migrate(connection)
    migrate(connection)
    migrate(connection, steps())
    assert connection.execute("SELECT number, sha256 FROM migrations").fetchall() == [
        (step.number, step.sha256) for step in steps()
    ]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(steps()),)
    fresh = connect_writer(tmp_path / "fresh.db")
    migrate(fresh, steps())
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert connection.execute(schema).fetchall() == fresh.execute(schema).fetchall()
    connection.close()
    fresh.close()


def test_a_migration_that_fails_leaves_nothing(tmp_path):
    connection = connect_writer(tmp_path / "log.db")
    migrate(connection)
    known = len(migrations())
    sql = "CREATE TABLE half (x);\nCREATE TABLE events (y);\n"
    broken = [*migrations(), Migration(known + 1, "9999_x.sql", sql)]
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert not connection.in_transaction
    assert connection.execute("PRAGMA user_version").fetchone() == (known,)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    connection.close()


def test_a_changed_migration_is_refused(tmp_path):
    connection = connect_writer(tmp_path / "log.db")
    migrate(connection)
    first, *others = migrations()
    changed = [first._replace(sql=first.sql + "-- harmless?\n"), *others]
    with pytest.raises(LogDamaged, match="migration"):
        migrate(connection, changed)
    connection.close()


def test_the_writers_lock_is_free_when_its_holder_is_killed(tmp_path):
    filled(tmp_path)
    script = (
        "import sys, time; from pathlib import Path; from loopledger.adapters.sqlite.store import SqliteStore; "
        "journal = SqliteStore(Path(sys.argv[1])).writer(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(LoopInUse, match=str(holder.pid)):
        SqliteStore(tmp_path).writer()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    journal = SqliteStore(tmp_path).writer()
    assert journal.head().seq == 20
    journal.close()


def test_the_lock_is_let_go_once(tmp_path):
    lock = WriterLock(tmp_path / "writer.lock")
    lock.release()
    other = WriterLock(tmp_path / "writer.lock")
    lock.release()
    with pytest.raises(LoopInUse):
        WriterLock(tmp_path / "writer.lock")
    other.release()


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_a_disk_that_is_full_while_a_log_is_opened_leaves_no_lock_behind(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(28, "No space left on device")

    store = SqliteStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(LoopStopped, match=r"cannot be opened.*No space left") as caught:
            store.writer()
    assert isinstance(caught.value.__cause__, OSError)
    store.writer().close()


def test_a_migration_that_the_disk_has_taken_back_already_says_what_the_disk_said(tmp_path):
    with closing(connect_writer(tmp_path / "log.db")) as connection:
        step = Migration(
            len(migrations()) + 1, "9999_more.sql", "CREATE TABLE more (x);\nROLLBACK;\nNONSENSE;\n"
        )
        with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
            migrate(connection, [*migrations(), step])


def test_a_stale_writer_fails_even_when_the_lock_file_is_deleted(tmp_path):
    filled(tmp_path)
    store = SqliteStore(tmp_path)
    stale = store.writer()
    (tmp_path / "writer.lock").unlink()
    fresh = store.writer()
    with pytest.raises(LoopInUse):
        stale.append([seal(stale.head(), 99, ModelReset())])
    fresh.append([seal(fresh.head(), 99, ModelReset())])
    with pytest.raises(LoopInUse):
        stale.append([seal(stale.head(), 99, ModelReset())])
    assert len(list(check(fresh.records(), Head()))) == 21
    stale.close()
    fresh.close()


def test_two_connections_without_any_lock_cannot_both_append(tmp_path):
    filled(tmp_path)
    store = SqliteStore(tmp_path)
    one = store.writer()
    (tmp_path / "writer.lock").unlink()
    other = store.writer()
    other._epoch = one._epoch = 1 + one._epoch
    record = seal(one.head(), 99, ModelReset())
    other.append([record])
    with pytest.raises(LoopInUse):
        one.append([record])
    assert other.head().seq == 21
    one.close()
    other.close()


def test_a_cut_off_tail_is_found_on_opening(tmp_path):
    learned.tamper(filled(tmp_path), "DELETE FROM events WHERE seq > 17")
    with pytest.raises(LogDamaged, match="cut off") as caught:
        SqliteStore(tmp_path).writer()
    assert caught.value.seq == 18


def test_another_last_event_is_found_on_opening(tmp_path):
    learned.tamper(filled(tmp_path), "UPDATE events SET digest = zeroblob(32) WHERE seq = 20")
    with pytest.raises(LogDamaged) as caught:
        SqliteStore(tmp_path).writer()
    assert caught.value.seq == 20


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("DROP TRIGGER events_come_in_order", "events_come_in_order"),
        ("DROP INDEX by_event_id", "by_event_id"),
        ("CREATE TRIGGER more AFTER INSERT ON events BEGIN SELECT 1; END", "more"),
    ],
)
def test_rules_that_were_changed_are_found_on_opening(tmp_path, change, name):
    with raw(filled(tmp_path)) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(LogDamaged, match=name):
        SqliteStore(tmp_path).writer()


def test_a_lost_record_of_the_writer_is_damage(tmp_path):
    learned.tamper(filled(tmp_path), "DELETE FROM writer")
    with pytest.raises(LogDamaged, match="how far it goes"):
        SqliteStore(tmp_path).writer()


@pytest.mark.slow
def test_damage_anywhere_is_found_or_harmless(tmp_path):
    """Flip one bit in every part of the file: the log reads as before, or the damage is named."""
    path = filled(tmp_path / "whole", 60)
    whole = path.read_bytes()
    reader = SqliteStore(tmp_path / "whole").reader()
    before = list(reader.records())
    reader.close()
    found = 0
    for place in range(0, len(whole), 97):
        folder = tmp_path / "flipped"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        (folder / "log.db").write_bytes(damaged)
        try:
            reader = SqliteStore(folder).reader()
        except LogDamaged:
            found += 1
            continue
        try:
            seen = list(check(reader.records(), Head()))
            if seen != before:
                assert reader.committed().seq != len(seen), f"byte {place} changed the log and nobody noticed"
                found += 1
        except LogDamaged:
            found += 1
        reader.close()
    assert found > 20


def test_truncation_is_found(tmp_path):
    whole = filled(tmp_path / "whole", 400).read_bytes()
    for size in (0, 1, 100, 4096, 8192, len(whole) // 2, len(whole) - 8192, len(whole) - 1):
        folder = tmp_path / f"cut-{size}"
        folder.mkdir()
        (folder / "log.db").write_bytes(whole[:size])
        with pytest.raises((LogDamaged, NotFound)):
            read_to(folder, 400)


def read_to(folder, last):
    with closing(SqliteStore(folder).reader()) as reader:
        records = list(check(reader.records(), Head()))
        if not records or records[-1].seq != last:
            raise LogDamaged("cut off")
        reader.head()


@pytest.mark.parametrize(
    ("query", "values", "uses"),
    [
        (
            queries.page("ModelTrained", None),
            {"after": 0, "last": 9, "kind": "ModelTrained"},
            "by_kind (kind=?",
        ),
        (queries.page(None, "e"), {"after": 0, "last": 9, "event_id": "e"}, "by_event_id (event_id=?"),
        (
            queries.page("Rewarded", "e"),
            {"after": 0, "last": 9, "event_id": "e", "kind": "Rewarded"},
            "by_event_id (event_id=?",
        ),
        (queries.page(None, None), {"after": 0, "last": 9}, "INTEGER PRIMARY KEY"),
        (queries.decisions(2), ("a", "b"), "by_event_id (event_id=?"),
        (queries.SPAN, ("Ranked", 0, 9, 9), "COVERING INDEX by_kind (kind=?"),
        (queries.TRACED, ("Ranked", 0, 9), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (queries.OUTCOMES, ("Ranked", 1, 9), "by_event_id (event_id=?"),
        (
            queries.nth(("ModelTrained", "ModelImported")),
            ("ModelTrained", "ModelImported", 3),
            "COVERING INDEX by_kind",
        ),
        (queries.COUNTS, (0,), "COVERING INDEX by_kind"),
    ],
)
def test_questions_are_answered_by_an_index(tmp_path, query, values, uses):
    with raw(filled(tmp_path)) as connection:
        values = {"event_id": None, "kind": None, **values} if isinstance(values, dict) else values
        plan = " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values))
    connection.close()
    assert uses in plan
    assert "SCAN events" not in plan or "COVERING" in plan


def test_the_write_ahead_log_is_kept_short(tmp_path):
    journal = SqliteStore(tmp_path).writer()
    for number in range(600):
        head = journal.head()
        journal.append([seal(head, number, ModelReset())])
    assert (tmp_path / "log.db-wal").stat().st_size < 16 * 1_048_576
    journal.close()
    assert not (tmp_path / "log.db-wal").exists()


def test_a_search_that_leads_back_is_damage_and_no_endless_reading():
    assert queries.onward(7, 6) == 7
    for last in (6, 5, None, "7"):
        with pytest.raises(LogDamaged, match="event 7 cannot be found"):
            queries.onward(last, 6)
