"""Damage beside log.db: in the write-ahead log, the kept models and the kept state."""

import random  # noqa: TID251 - places to damage are no decisions
import shutil
import sqlite3
from contextlib import closing

import pytest
from quick import slow_but
from test_regions import flip, overwrite

from loopledger.log.events import CONTROL

FRAME = 24 + 8192
HEADER = 32
WAL = "log.db-wal"


def check_begins_alike(ward, damage, what):
    """Check that a log whose newest part was damaged ends earlier, where a commit ended, and is the same before.

    SQLite takes a write-ahead log up to the first frame that is not whole: so it recovers from
    crashes. That more was committed only something kept elsewhere can tell: the state, an anchor.
    """
    assert ward.ask("open", lambda _: None) == []
    whole = ward.before["open", False].values["log"]
    found = ward.asked("open", damage)
    assert found.crashes == {}, what
    log = found.values.get("log", [])
    assert log == whole[: len(log)], what
    # The state is kept whenever the loop's ways change, and once more when it is closed.
    known = max(entry.seq for entry in whole if entry.kind in CONTROL)
    assert not found.holds or len(log) >= known, what


def places(data, chance, of_each):
    size = (data / "open" / "news" / WAL).stat().st_size
    frames = (size - HEADER) // FRAME
    assert frames > 20
    for start, end in ((0, 4), (4, 8), (8, 12), (12, 16), (16, 24), (24, 32)):
        for _ in range(of_each):
            yield chance.randrange(start, end)
    for start, end in ((0, 4), (4, 8), (8, 16), (16, 24), (24, 124), (124, FRAME)):
        for _ in range(of_each):
            yield HEADER + chance.randrange(frames) * FRAME + chance.randrange(start, end)


@pytest.mark.slow
def test_a_bit_of_the_write_ahead_log_is_flipped(ward, data):
    chance = random.Random(6)
    for at in places(data, chance, 1):
        check_begins_alike(ward, flip(WAL, at, 1 << chance.randrange(8)), at)


@pytest.mark.slow
def test_many_bits_of_the_write_ahead_log_are_flipped(ward, data):
    chance = random.Random(7)
    for at in places(data, chance, 3):
        check_begins_alike(ward, flip(WAL, at, 1 << chance.randrange(8)), at)


def cut(size):
    def damage(folder):
        with (folder / WAL).open("r+b") as file:
            file.truncate(size)

    return damage


@pytest.mark.slow
def test_the_write_ahead_log_is_cut_off(ward, data):
    size = (data / "open" / "news" / WAL).stat().st_size
    chance = random.Random(8)
    last = size - FRAME
    for at in (0, 1, HEADER, HEADER + 1, last, last + 24, size - 1, *chance.sample(range(size), 2)):
        check_begins_alike(ward, cut(at), at)


@pytest.mark.slow
def test_the_write_ahead_log_is_deleted(ward):
    for name in (WAL, "log.db-shm"):
        check_begins_alike(ward, lambda folder, name=name: (folder / name).unlink(missing_ok=True), name)


def test_an_old_write_ahead_log_is_put_back(ward, data):
    def damage(folder):
        shutil.copy(data / "open" / "news" / WAL, folder / WAL)
        (folder / "log.db-shm").unlink(missing_ok=True)

    # It holds what the database holds already: the end of the same log.
    assert ward.ask("closed", damage) == []


def test_a_write_ahead_log_of_an_earlier_time_is_put_back(ward, data, tmp_path):
    """Written by the loop itself, and overtaken since: all of it, or the beginning of the log only."""
    shorter = tmp_path / "shorter"
    shutil.copytree(data / "open" / "news", shorter)
    with (shorter / WAL).open("r+b") as file:
        file.truncate(HEADER + 40 * FRAME)

    def damage(folder):
        shutil.copy(shorter / WAL, folder / WAL)

    found = ward.asked("closed", damage)
    assert found.crashes == {}
    assert not found.holds or found.values["log"] == ward.asked("closed", lambda _: None).values["log"]


def kept(folder):
    return [path for path in (folder / "models").iterdir() if path.suffix == ".vw"]


@pytest.mark.parametrize("name", ["models", "state.json"])
@pytest.mark.parametrize(
    "how", slow_but({"flip", "delete"}, ["flip", "zero", "empty", "cut", "swap", "delete"])
)
def test_what_is_only_a_cache_may_be_anything(ward, name, how):
    chance = random.Random(9)

    def damage(folder):
        for path in kept(folder) if name == "models" else [folder / name]:
            content = path.read_bytes()
            at = chance.randrange(len(content))
            if how == "flip":
                flip(path.name, at, 4)(path.parent)
            elif how == "zero":
                overwrite(path.name, at, len(content), bytes)(path.parent)
            elif how == "delete":
                path.unlink()
            else:
                other = b"" if how == "empty" else content[:at] if how == "cut" else b"{}" + content[::-1]
                path.write_bytes(other)

    assert ward.ask("closed", damage) == []
    assert ward.asked("closed", damage).holds


@pytest.mark.slow
def test_every_byte_of_the_kept_state(ward, data):
    size = (data / "closed" / "news" / "state.json").stat().st_size
    chance = random.Random(10)
    for at in range(0, size, 23):
        assert ward.ask("closed", flip("state.json", at, 1 << chance.randrange(8))) == [], at


def test_a_kept_state_that_knows_more_than_the_log(ward):
    """The log was put back from an earlier copy, or its end was lost: only what is beside it can tell."""

    def damage(folder):
        with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {name}") if "deleted" in name else None
            rule = (
                "CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events\nBEGIN\n"
                "    SELECT RAISE(ABORT, 'the log is append-only: events are not deleted');\nEND"
            )
            connection.execute("DELETE FROM events WHERE seq > 120")
            connection.execute(
                "UPDATE writer SET (seq, digest) = (SELECT seq, digest FROM events WHERE seq = 120)"
            )
            connection.execute(rule)

    found = ward.asked("closed", damage)
    assert [problem.seq for problem in found.values["verify"].findings.problems] == [121]
    assert "state that is kept beside it knows" in found.values["verify"].findings.problems[0].what
