"""The doctor: numbers to findings, and real folders to findings."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import learned
import pytest

import loopledger
from loopledger import Finding, Settings, SimulatedClock
from loopledger.adapters.doctor import loop as judge
from loopledger.adapters.doctor import machine, measure
from loopledger.adapters.sqlite.lock import WriterLock, is_held
from loopledger.clock import SECOND
from loopledger.errors import LoopInUse

QUIET = Settings(model_update_frequency=0)
LATE = learned.START + 86_400 * SECOND


def levels(findings):
    return [finding.level for finding in findings]


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 34, 1), "problem"),
        ((3, 36, 0), "problem"),
        ((3, 37, 0), "note"),
        ((3, 40, 1), "note"),
        ((3, 44, 5), "note"),
        ((3, 44, 6), "ok"),
        ((3, 45, 0), "note"),
        ((3, 50, 6), "note"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "note"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
        ((4, 0, 0), "ok"),
    ],
)
def test_versions_of_sqlite(version, level):
    (finding,) = machine.sqlite(version, {"THREADSAFE=1"})
    assert finding.level == level
    assert ("WAL-reset bug" in finding.found) == (level == "note")
    assert ".".join(map(str, version)) in finding.found
    assert bool(finding.advice) == (level != "ok")


def test_a_sqlite_without_threads():
    assert levels(machine.sqlite((3, 51, 3), {"THREADSAFE=0"})) == ["ok", "problem"]


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", "ok"),
        ("xfs", "ok"),
        (None, "ok"),
        *((kind, "warning") for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "virtiofs")),
        *((kind, "warning") for kind in ("tmpfs", "ramfs", "overlay")),
    ],
)
def test_file_systems(kind, level):
    finding = machine.file_system(kind)
    assert finding.level == level
    assert kind is None or kind in finding.found


MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:20 / /srv rw - nfs4 server:/srv rw
23 22 0:21 / /srv/with\040space rw master:3 - tmpfs tmpfs rw
24 21 0:22 / /twice rw - ext4 /dev/sdb rw
25 24 0:23 / /twice rw - xfs /dev/sdc rw
nonsense
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/srvother", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/loops/a", "nfs4"),
        ("/srv/with space/a", "tmpfs"),
        ("/twice/a", "xfs"),
    ],
)
def test_the_file_system_of_a_folder(tmp_path, folder, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert measure.file_system(type(tmp_path)(folder), mounts) == kind
    assert measure.file_system(tmp_path, tmp_path / "nothing") is None


def test_room():
    gibibyte = 2**30
    assert levels(machine.room(10 * gibibyte, 10**6, 1000)) == ["ok"]
    assert levels(machine.room(10 * gibibyte, None, 1000)) == ["ok"]
    assert levels(machine.room(10 * gibibyte, 10**6, 100 * gibibyte)) == ["warning"]
    assert levels(machine.room(1000, 5, 0)) == ["warning", "warning"]


def test_syncs():
    slow = machine.syncs([0.002, 0.002, 0.05])
    assert (slow.level, "500 Ranks a second" in slow.found, "50.00 ms" in slow.found) == ("ok", True, True)
    assert machine.syncs([0.000005] * 3).level == "note"


def test_locks():
    assert machine.locks(work=True).level == "ok"
    assert machine.locks(work=False).level == "problem"


def test_sizes():
    assert levels(judge.sizes("x", {"log.db": 10}, is_held=False)) == ["ok"]
    assert levels(judge.sizes("x", {"log.db": 10, "log.db-wal": 10}, is_held=False)) == ["ok", "note"]
    assert levels(judge.sizes("x", {"log.db": 10, "log.db-wal": 10}, is_held=True)) == ["ok"]
    assert levels(judge.sizes("x", {"log.db-wal": 2**30}, is_held=True)) == ["ok", "warning"]


def test_clocks():
    assert levels(judge.clock("x", 5 * SECOND, 4 * SECOND)) == []
    (ahead,) = judge.clock("x", 3605 * SECOND, 4 * SECOND)
    assert (ahead.level, "3,601 s in the future" in ahead.found) == ("warning", True)


def test_engines():
    assert list(judge.engines("x", {1: "here", 2: "here"}, "here")) == []
    (other,) = judge.engines("x", {1: "here", 2: "there"}, "here")
    assert (other.level, "version 2 by 'there'" in other.found) == ("warning", True)


@pytest.fixture
def folder(tmp_path, lent):  # noqa: ARG001 - learning processes that run already
    learned.make(tmp_path / "data")
    (tmp_path / "data").chmod(0o700)
    return tmp_path / "data"


def diagnosed(folder, now=LATE, **more):
    with loopledger.open(folder, clock=SimulatedClock(now), **more) as ledger:
        return ledger.doctor()


def said(diagnosis, level):
    return " | ".join(finding.found for finding in diagnosis.of(level) if finding.subject.startswith("loop"))


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_a_sound_loop_is_left_as_it_is(folder):
    before = snapshot(folder)
    found = diagnosed(folder)
    assert found.healthy
    assert (said(found, "note"), said(found, "warning")) == ("", "")
    assert "376 events, 180 decisions, 3 model versions, version 3 answers" in said(found, "ok")
    assert "bytes a decision" in said(found, "ok")
    assert snapshot(folder) == before
    assert all(isinstance(finding, Finding) for finding in found.findings)


def test_a_loop_whose_models_no_longer_answer_had_some(folder):
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.loop("news").reset_model()
        ledger.create("new", settings=QUIET)
    found = said(diagnosed(folder), "ok")
    assert "3 model versions, none of which answers now;" in found
    assert "0 model versions, no model yet;" in found


def test_a_loop_that_is_open_is_not_disturbed(folder):
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        loop = ledger.loop("news")
        for number in range(20):
            loop.rank({"hour": number}, learned.ACTIONS)
            found = ledger.doctor("news")
            assert f"process {os.getpid()} has it open" in said(found, "ok")
        assert loop.status().counts["Ranked"] == 200
        with pytest.raises(loopledger.NotFound):
            ledger.doctor("gnus")


async def test_the_async_face_says_the_same(folder):
    async with loopledger.open_async(folder, clock=SimulatedClock(LATE)) as ledger:
        assert "376 events" in said(await ledger.doctor("news"), "ok")


def test_loops_in_memory():
    with loopledger.open(":memory:", workers=1) as ledger:
        assert ledger.doctor().healthy


def test_what_is_erased_before_it_was_learned(folder):
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.loop("news").rank({"hour": 1}, learned.ACTIONS, event_id="gone")
        ledger.loop("news").erase(["gone"])
    assert said(diagnosed(folder), "problem") == ""


def test_what_is_beside_the_log(folder):
    loop = folder / "news"
    (loop / "models" / "00000003.vw").write_bytes(b"damaged")
    (loop / "models" / "what.vw").write_bytes(b"")
    (loop / "state.json").write_bytes(b"{}")
    (loop / "state.json.new").touch()
    (folder / ".creating-x-1").mkdir()
    for old in (loop / "state.json.new", folder / ".creating-x-1"):
        os.utime(old, (0, 0))
    found = diagnosed(folder)
    assert found.healthy
    assert "2 of 2 kept models are not what was recorded: 00000003.vw, what.vw" in said(found, "warning")
    assert "state.json is damaged" in said(found, "note")
    assert "interrupted work has left state.json.new" in said(found, "note")
    assert any(".creating-x-1" in finding.found for finding in found.of("note"))


def test_a_state_of_a_longer_log_or_of_another_one(folder, tmp_path):
    shutil.copy(folder / "news" / "log.db", tmp_path / "backup.db")
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.loop("news").rank({}, learned.ACTIONS)
    shutil.copy(tmp_path / "backup.db", folder / "news" / "log.db")
    found = diagnosed(folder)
    assert not found.healthy
    assert "ends with event 376, and the state that is kept beside it knows event 377" in said(
        found, "problem"
    )
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.create("other", settings=QUIET).rank({}, learned.ACTIONS)
    shutil.copy(folder / "other" / "state.json", folder / "news" / "state.json")
    assert "belongs to another log" in said(diagnosed(folder), "warning")


def test_decisions_that_wait(folder):
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.loop("news").rank({}, learned.ACTIONS)
    assert "wait to be learned" not in said(diagnosed(folder, LATE + 700 * SECOND), "note")
    later = LATE + 3600 * SECOND
    assert "automatic training is off" in said(diagnosed(folder, later), "note")
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        ledger.loop("news").change_settings(model_update_frequency=60.0)
    assert "nobody has it open" in said(diagnosed(folder, later), "note")


def test_a_training_that_fails_by_itself(folder):
    with loopledger.open(folder, clock=SimulatedClock(LATE)) as ledger:
        loop = ledger.loop("news")
        session = ledger.directory.get("news")
        session.last_failure = "the engine died"
        assert "the last automatic training failed: the engine died" in said(ledger.doctor(), "warning")
        loop.rank({}, learned.ACTIONS)


def test_a_clock_that_runs_behind(folder):
    assert "in the future" in said(diagnosed(folder, learned.START), "warning")


def test_a_log_that_others_may_read(folder):
    folder.chmod(0o755)
    (folder / "news").chmod(0o755)
    (folder / "news" / "log.db").chmod(0o644)
    assert "every user of this machine may read its log (mode 644)" in said(diagnosed(folder), "note")
    (folder / "news" / "log.db").chmod(0o600)
    assert said(diagnosed(folder), "note") == ""
    assert stat.S_IMODE((folder / "news" / "log.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"no database at all" * 500])
def test_a_log_that_is_none(folder, content):
    (folder / "news" / "log.db").write_bytes(content)
    found = diagnosed(folder)
    assert not found.healthy
    assert len(found.of("problem")) == 1


def test_a_log_whose_end_was_changed(folder):
    learned.tamper(folder / "news" / "log.db", "UPDATE events SET at = at + 1 WHERE seq = 376")
    assert "event 376" in said(diagnosed(folder), "problem")


def test_rules_that_were_removed(folder):
    with closing(sqlite3.connect(folder / "news" / "log.db")) as connection:
        connection.execute("DROP TRIGGER events_are_not_deleted")
    assert "schema was changed: events_are_not_deleted" in said(diagnosed(folder), "problem")


def test_asking_for_the_writer_does_not_keep_one_out(tmp_path):
    path = tmp_path / "writer.lock"
    assert is_held(path) == (False, "")
    lock = WriterLock(path)
    assert is_held(path) == (True, str(os.getpid()))
    with pytest.raises(LoopInUse):
        WriterLock(path)
    lock.release()
    # Another process asks all the time.
    script = (
        "import sys; from pathlib import Path; from loopledger.adapters.sqlite.lock import is_held\n"
        "print(flush=True)\nwhile True: is_held(Path(sys.argv[1]))"
    )
    asking = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    try:
        assert asking.stdout.readline()
        for _ in range(200):
            WriterLock(path).release()
    finally:
        asking.kill()
        asking.wait()
        asking.stdout.close()
