"""What people are told who ask for what cannot be: the field, the limit and the way out."""

import errno
import subprocess
import sys

import learned
import pytest

import loopledger


@pytest.fixture
def empty(data):
    """The data folder with a second loop, `empty`, which has decided nothing."""
    with loopledger.open(data, clock=loopledger.SimulatedClock(learned.START), workers=1) as ledger:
        ledger.create("empty")
    return data


def refused(run, *words):
    return run("--data", *words, code=3).stderr


@pytest.mark.parametrize("expression", ["reward > 0.5", "bad((", "reward > `0.5", "a = 1"])
def test_a_query_is_explained(run, data, expression):
    said = refused(run, data, "erase", "news", "--where", expression, "--yes")
    assert "numbers stand in backticks (reward > `0.5`)" in said
    assert ":;" not in said
    assert "for expression" not in said


def test_what_needs_a_decision_says_so(run, empty):
    assert "loop: has no decision yet" in refused(run, empty, "evaluate", "empty", "--policy", "squarecb")
    assert "loop: has no decision yet" in refused(run, empty, "optimize", "empty")
    assert "nothing to learn again: empty has no decision yet" in refused(run, empty, "relearn", "empty")
    assert len(run("--data", empty, "log", "empty").stdout.splitlines()) == 1


def test_a_model_that_is_not_there(run, empty):
    assert "no model is published:" in refused(run, empty, "model", "empty")
    assert "at that moment" in refused(run, empty, "model", "empty", "--as-of", "1")


def test_namespaces_that_nobody_logged(run, empty):
    said = refused(run, empty, "policies", "recommended", "--for", "empty")
    assert "--shared: must name a namespace" in said
    asked = ("--for", "empty", "--shared", "user", "--no-ids")
    said = refused(run, empty, "policies", "recommended", *asked)
    assert "--actions: must name a namespace" in said
    both = ("--shared", "user", "--actions", "item")
    assert "-q ui" in run("--data", empty, "policies", "recommended", "--for", "empty", *both).stdout


def test_back_to_before_a_loop_was_made(run, data, tmp_path):
    run("--data", data, "backup", "--out", tmp_path / "copy")
    said = refused(run, tmp_path / "new", "restore", tmp_path / "copy", "--as-of", "2020-01-01")
    assert "the loop news was made only after that time, on 2026-01-01T00:00:00" in said


def test_a_backup_where_nothing_can_be_made(run, data, tmp_path):
    said = refused(run, data, "backup", "--out", tmp_path / "nowhere" / "copy")
    assert f"out: cannot be made in {tmp_path / 'nowhere'}: No such file or directory; name one" in said
    assert ".part" not in said


def test_a_full_disk_has_a_way_out(run, data, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("loopledger.adapters.cli.keys.create_key", full)
    said = refused(run, data, "keys", "create", "news")
    assert said.startswith("loopledger: No space left on device: the disk")
    assert "make room" in said


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
@pytest.mark.parametrize("command", [("export", "news"), ("status", "news")])
def test_output_that_nobody_can_take(data, command):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [sys.executable, "-m", "loopledger", "--data", data, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    said = ended.stderr.decode()
    assert "make room" in said
    assert "Errno" not in said
    assert ended.returncode == 3


@pytest.mark.parametrize(
    "more", [("--since", "5", "--until", "3"), ("--since", "2026-01-02", "--until", "2026-01-01")]
)
@pytest.mark.parametrize("command", ["log", "export"])
def test_what_ends_before_it_begins(run, data, command, more):
    assert "since: comes after until" in refused(run, data, command, "news", *more)


@pytest.mark.parametrize(("later", "what"), [(599_999_999, "closes"), (600_000_000, "closed")])
def test_why_says_what_is_over_and_what_was_left_to_chance(run, data, monkeypatch, later, what):
    clock = loopledger.SimulatedClock(learned.START)
    with loopledger.open(data, clock=clock, workers=1) as ledger:
        loop = ledger.create("young", settings=loopledger.Settings(model_update_frequency=0))
        loop.rank({"hour": 1}, learned.ACTIONS, event_id="first")
    clock.advance(later / 1e6)
    monkeypatch.setattr("loopledger.adapters.cli.why.SystemClock", lambda: clock)
    said = run("--data", data, "why", "young", "first").stdout
    assert "by lot: all actions were equally probable" in said
    assert "the most probable action" not in said
    assert said.count(f"its window {what} 2026-01-01T00:10:00") == 2
