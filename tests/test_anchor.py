"""Anchors, and checking only what is new."""

import json
import shutil
import sqlite3
from contextlib import closing

import learned
import pytest

import loopledger
from loopledger.adapters.cli.folder import views
from loopledger.learning.replay import version_event
from loopledger.log.anchor import Anchor, anchor_of, read_anchors


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("anchor") / "data"
    learned.make(folder)
    return folder


@pytest.fixture
def data(original, tmp_path):
    return shutil.copytree(original, tmp_path / "data")


def verify(data, **which):
    with views(data, ("news",)) as (view,):
        return view.verify(**which)


def test_a_log_that_only_grew_fits_its_anchors(data):
    anchor = anchor_of(verify(data))
    with loopledger.open(data, workers=1) as ledger:
        ledger.loop("news").rank({}, learned.ACTIONS)
    found = verify(data, anchors=[anchor])
    assert found.holds
    assert found.head == anchor.seq + 1


def test_a_tail_that_was_cut_off_without_a_trace_is_missed(data):
    anchor = anchor_of(verify(data))
    cut = anchor.seq - 10
    learned.tamper(
        data / "news" / "log.db",
        f"DELETE FROM events WHERE seq > {cut}",
        f"UPDATE writer SET seq = {cut}, digest = (SELECT digest FROM events WHERE seq = {cut})",
    )
    (data / "news" / "state.json").unlink()
    assert verify(data).holds, "a chain alone cannot know"
    found = verify(data, anchors=[anchor])
    assert found.first_problem.seq == cut + 1
    assert "cut off" in found.first_problem.what


def test_a_log_that_was_written_anew_is_another(data, tmp_path):
    anchor = anchor_of(verify(data))
    other = tmp_path / "other"
    learned.make(other, rounds=learned.ROUNDS + 1)
    learned.tamper(other / "news" / "log.db", "UPDATE events SET digest = zeroblob(32) WHERE seq = 0")
    forged = Anchor("news", anchor.seq, anchor.at, "00" * 32)
    found = verify(other, anchors=[forged])
    assert (found.first_problem.seq, found.holds) == (anchor.seq, False)
    assert verify(other, anchors=[anchor]).holds, "the same beginning"


def test_anchors_of_other_loops_are_passed_over(data):
    assert verify(data, anchors=[Anchor("other", 10**9, 0, "")]).holds


def test_anchors_are_lines_of_json():
    anchor = Anchor("news", 7, 12, "ab")
    line = json.dumps({"loop": "news", "seq": 7, "at": 12, "digest": "ab"}).encode()
    assert read_anchors([line, b"", b" "]) == [anchor]
    for broken in (b"{", b'{"loop":"news"}', b'{"loop":1,"seq":7,"at":12,"digest":"ab"}', b"\xff"):
        with pytest.raises(loopledger.InvalidRequest, match="line 2"):
            read_anchors([line, broken])


def test_since_checks_what_is_new_and_nothing_else(data):
    whole = verify(data)
    with loopledger.open(data, workers=1) as ledger:
        second, _ = version_event(ledger.loop("news").place.store.reader(), 2)
    found = verify(data, since=second + 1)
    assert found.holds
    assert found.since == second + 1
    assert (found.findings.events, found.findings.versions) == (whole.head - second, 1)
    assert 0 < found.findings.decisions < whole.findings.decisions


def test_since_a_time(data):
    found = verify(data, since="2026-01-01T00:10:00Z")
    with loopledger.open(data, workers=1) as ledger:
        events = [entry.at for entry in ledger.loop("news").log()]
    assert found.findings.events == sum(at >= learned.START + 600 * 1_000_000 for at in events)


@pytest.mark.parametrize("seq", [130, 370])
def test_since_finds_what_was_changed_after_it_and_not_before(data, seq):
    learned.tamper(data / "news" / "log.db", f"UPDATE events SET at = at - 1 WHERE seq = {seq}")
    assert verify(data, since=seq).first_problem.seq == seq
    assert verify(data, since=seq + 1).holds


def test_since_past_the_end(data):
    for since in (0, -5, 10**6):
        with pytest.raises(loopledger.NotFound, match="the log goes from 1 to"):
            verify(data, since=since)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE writer SET seq = seq - 1", "known to be committed"),
        ("UPDATE events SET codec = 1 WHERE seq = 100", "is not what was recorded"),
        ("UPDATE events SET codec = 3 WHERE seq = 100", "codec 3"),
        ("UPDATE events SET event_id = CAST(x'ff' AS TEXT) WHERE seq = 100", "cannot be read"),
        ("CREATE TRIGGER more AFTER INSERT ON events BEGIN SELECT 1; END", "schema was changed: more"),
        ("DROP INDEX by_kind", "schema was changed: by_kind"),
    ],
)
def test_what_a_tamperer_might_do_is_named(data, change, says):
    learned.tamper(data / "news" / "log.db", change)
    found = verify(data)
    assert any(says in problem.what for problem in found.findings.problems), found.findings.problems


def test_an_index_that_hides_an_event_is_found(data):
    hidden = "SELECT sql FROM sqlite_schema WHERE name = 'by_event_id'"
    database = data / "news" / "log.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        (sql,) = connection.execute(hidden).fetchone()
        connection.execute("DROP INDEX by_event_id")
        connection.execute("CREATE INDEX by_event_id ON events (event_id) WHERE event_id <> 'event-170'")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'by_event_id'", (sql,))
    found = verify(data)
    assert any("row" in problem.what for problem in found.findings.problems), found.findings.problems
