"""`export`: what goes to files, to stdout and to stderr."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import learned
import pytest

import loopledger

PROGRAM = (sys.executable, "-W", "error", "-c", "from loopledger.adapters.cli.main import main; main()")
ALL = learned.ROUNDS * learned.DECISIONS


@pytest.fixture
def opened(data):
    """A data folder whose loop has a decision that is open for a thousand years."""
    clock = loopledger.SimulatedClock(learned.START * 19)
    with loopledger.open(data, clock=clock) as ledger:
        ledger.loop("news").rank({}, learned.ACTIONS, event_id="open")
    return data


def test_joined_examples_go_to_stdout(run, shared_data):
    done = run("--data", shared_data, "export", "news")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["EventId"] for line in lines] == [f"event-{number:03d}" for number in range(ALL)]
    assert lines[0]["Timestamp"] == "2026-01-01T00:00:00.0000000Z"
    assert done.stderr == ""
    assert run("--data", shared_data, "export", "news", "--out", "-").stdout == done.stdout


@pytest.mark.parametrize("form", ["dsjson", "csv", "parquet", "events"])
def test_a_file_with_a_summary(run, here, shared_data, form):
    words = ("--data", shared_data, "export", "news", "--format", form, "--out", "made")
    summary = json.loads(run(*words, "--json").stdout)
    status = json.loads(run("--data", shared_data, "status", "news", "--json").stdout)
    rows = status["events"] if form == "events" else ALL
    wanted = {"file": "made", "format": form, "rows": rows, "left_out": 0}
    assert {name: summary[name] for name in wanted} == wanted
    assert 1 <= summary["first"] < summary["last"] <= status["events"]
    first = (here / "made").read_bytes()
    assert "--force" in run(*words, code=3).stderr
    said = run(*words, "--force").stdout
    assert f"rows      {rows:,}" in said
    assert (here / "made").read_bytes() == first
    if form != "parquet":
        assert run(*words[:-2]).stdout_bytes == first


def test_a_part_of_it(run, shared_data):
    words = ("--data", shared_data, "export", "news", "--format", "csv")
    rows = list(
        csv.DictReader(run(*words, "--since", "100", "--until", "2026-01-01T00:12").stdout.splitlines())
    )
    assert int(rows[0]["seq"]) in range(100, 104)
    assert "2026-01-01T00:11:55" < rows[-1]["time"] <= "2026-01-01T00:12:00.000000Z"
    assert "ISO 8601" in run(*words, "--since", "yesterday", code=3).stderr


def test_what_is_left_out_is_said(run, opened):
    done = run("--data", opened, "export", "news")
    assert done.stderr == "1 decision is left out: rewards may still come (--include-open takes all)\n"
    assert len(done.stdout.splitlines()) == ALL
    done = run("--data", opened, "export", "news", "--include-open")
    assert (done.stderr, len(done.stdout.splitlines())) == ("", ALL + 1)
    done = run("--data", opened, "export", "news", "--out", "made", "--json")
    assert json.loads(done.stdout)["left_out"] == 1


def test_what_needs_a_file(run, here, shared_data):
    assert "--out FILE" in run("--data", shared_data, "export", "news", "--json", code=2).stderr
    assert "--out FILE" in run("--data", shared_data, "export", "news", "--format", "parquet", code=2).stderr
    assert "out: " in run("--data", shared_data, "export", "news", "--out", "no/folder", code=3).stderr
    assert "must be a file" in run("--data", shared_data, "export", "news", "--out", ".", code=3).stderr
    assert not list(here.iterdir())


def test_it_works_while_somebody_else_has_the_loop(run, data):
    with loopledger.open(data) as ledger:
        ledger.loop("news")
        assert len(run("--data", data, "export", "news").stdout.splitlines()) == ALL


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_a_sentence(shared_data):
    # So little that it fits into a buffer.
    words = ("--data", str(shared_data), "export", "news", "--until", "3")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("loopledger: ")
    assert len(done.stderr.splitlines()) == 1
