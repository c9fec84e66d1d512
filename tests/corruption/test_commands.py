"""What the command line says of a log that is damaged, of another release, or no log at all."""

import random  # noqa: TID251 - places to damage are no decisions
import shutil
import sqlite3
from contextlib import closing

import learned
import pytest
from anatomy import regions
from click.testing import CliRunner
from support import Lent
from test_regions import cut, flip

import loopledger
from loopledger.adapters.cli import folder as cli_folder
from loopledger.adapters.cli.main import main
from loopledger.adapters.sqlite.migrations import Migration, migrate, migrations
from loopledger.log.chain import head_of, seal
from loopledger.log.event import Event

LOOKING = [
    ("verify",),
    ("log", "news"),
    ("log", "news", "--kind", "Ranked", "--json"),
    ("status", "news"),
    ("models", "news"),
    ("model", "news", "--out", "-"),
    ("as-of", "news", "60"),
    ("loops",),
    ("doctor",),
    ("diff", "news", "1", "2"),
]
ALL = [*LOOKING, ("why", "news", "event-025"), ("train", "news")]


@pytest.fixture
def place(data, tmp_path):
    return shutil.copytree(data / "closed", tmp_path / "data")


@pytest.fixture
def run(ward, engine, monkeypatch, place):
    assert ward
    monkeypatch.setattr(cli_folder, "VwLearner", lambda *_: Lent(engine))

    def run(*words):
        result = CliRunner().invoke(main, ["--data", str(place), *words], catch_exceptions=False)
        assert "Traceback" not in result.output
        assert result.exit_code in {0, 1, 3}, result.output
        if result.exit_code == 3:
            (line,) = result.stderr.splitlines()
            assert line.startswith("loopledger: ")
        return result

    return run


def outcomes(run, commands):
    return {words: run(*words) for words in commands}


def test_commands_on_a_whole_loop(run):
    assert {found.exit_code for found in outcomes(run, ALL).values()} == {0}


@pytest.mark.slow
def test_commands_on_damaged_loops(run, place, data):
    path = data / "closed" / "news" / "log.db"
    there = regions(path)
    chance = random.Random(11)
    before = outcomes(run, LOOKING)
    for region in chance.sample(sorted(name for name in there if not name.startswith("by_")), 8):
        start, end = chance.choice(there[region])
        at = chance.randrange(start, end)
        shutil.copy(path, place / "news" / "log.db")
        flip("log.db", at, 4)(place / "news")
        found = outcomes(run, LOOKING)
        for words, result in found.items():
            assert (
                result.exit_code != 0
                or words[0] in {"verify", "doctor"}
                or (result.stdout == before[words].stdout)
            ), (region, at, words)
        if found["verify",].exit_code == 0:
            assert {result.exit_code for result in found.values()} == {0}, (region, at)


def sql(*statements):
    def damage(folder):
        with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def write(content):
    return lambda folder: (folder / "log.db").write_bytes(content)


def replace_by_another_database(folder):
    (folder / "log.db").unlink()
    sql("CREATE TABLE somebody_elses (x)")(folder)


def half_migrated(folder):
    """A release with a second step whose process was killed in it: the transaction left nothing."""
    step = Migration(
        len(migrations()) + 1, "9999_more.sql", "CREATE TABLE more (x);\nCREATE TABLE events (x);\n"
    )
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, [*migrations(), step])
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'more'").fetchone() == (0,)


class Dreamt(Event, frozen=True):
    """An event of a release to come."""

    of: str


def newer_event(folder):
    from loopledger.adapters.sqlite.store import SqliteStore

    journal = SqliteStore(folder).writer()
    (last,) = journal.tail(1)
    journal.append([seal(head_of(last), last.at, Dreamt("sheep"))])
    journal.close()


STRANGE = {
    "a text": (write(b"Dear diary, nothing happened today.\n" * 300), "not a readable SQLite database"),
    "an empty file": (write(b""), "never set up"),
    "a few bytes": (write(b"SQLite"), "not a readable SQLite database"),
    "another database": (replace_by_another_database, "not a loopledger log"),
    "a newer schema": (sql("PRAGMA user_version = 99"), "a newer one has written it"),
    "an unknown step": (sql("UPDATE migrations SET sha256 = 'ff'"), "a migration that the log went through"),
    "a step that is not noted": (sql("DELETE FROM migrations"), "a migration that the log went through"),
    "a step that was undone": (sql("PRAGMA user_version = 0"), "never set up"),
    "no table of steps": (sql("DROP TABLE migrations"), "not a readable SQLite database"),
    "a newer way of keeping bodies": (
        lambda folder: learned.tamper(folder / "log.db", "UPDATE events SET codec = 7 WHERE seq = 40"),
        "event 40 is stored with codec 7",
    ),
    "a newer kind of event": (newer_event, "a newer release may have written it"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_log_of_this_release_is_named(run, place, what):
    damage, said = STRANGE[what]
    damage(place / "news")
    found = outcomes(run, ALL)
    assert found["verify",].exit_code == 1
    assert said in found["verify",].stdout
    assert found["doctor",].exit_code in {0, 1}
    # Nothing was changed by asking: what a newer release wrote is there for it.
    assert run("verify").exit_code == 1
    if what.startswith(("a text", "a few", "another", "a newer schema", "an unknown", "a step", "no table")):
        assert {
            result.exit_code for words, result in found.items() if words not in {("verify",), ("doctor",)}
        } == {3}
        assert said in run("status", "news").stderr or what == "a step that was undone"


def test_a_migration_that_was_interrupted_is_no_damage(run, place):
    half_migrated(place / "news")
    assert {found.exit_code for found in outcomes(run, ALL).values()} == {0}


def test_a_folder_instead_of_a_log(run, place):
    (place / "news" / "log.db").unlink()
    (place / "news" / "log.db").mkdir()
    for words in ALL:
        assert run(*words).exit_code in {1, 3}, words
    assert "there is no log" in run("status", "news").stderr


def test_a_file_that_was_cut_off(run, place):
    cut(3 * 8192)(place / "news")
    for words, result in outcomes(run, ALL).items():
        assert result.exit_code == (1 if words[0] in {"verify", "doctor"} else 3), words


@pytest.mark.parametrize("moment", ["1999-12-31", "2026-01-01T00:00:00Z", "0"])
def test_a_time_before_the_loop(run, moment):
    found = run("as-of", "news", moment)
    if moment.startswith("2026"):
        assert found.exit_code == 0
    else:
        assert found.exit_code == 3
        assert "made only after" in found.stderr or "no event 0" in found.stderr


def test_a_version_that_never_was(run):
    assert "there is no model version 77" in run("model", "news", "--version", "77").stderr
    assert run("rollback", "news", "77").exit_code == 3
    assert run("diff", "news", "1", "77").exit_code == 3


def test_the_api_raises_what_the_command_line_says(place):
    (place / "news" / "log.db").write_bytes(b"no log")
    with loopledger.open(place) as ledger:
        with pytest.raises(loopledger.LogDamaged, match="file is not a database; put back a copy"):
            ledger.loop("news")
        assert not ledger.doctor().healthy
