"""`status` and `log`, and that looking needs no permission of the writer."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys

import pytest

import loopledger
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.sqlite.store import SqliteStore

HOLDER = """
import sys, loopledger
with loopledger.open(sys.argv[1], workers=1) as ledger:
    loop = ledger.loop("news")
    loop.rank({}, {"a": {}, "b": {}}, event_id="held")
    print("held", flush=True)
    sys.stdin.read()
"""


def records(data):
    reader = SqliteStore(data / "news").reader()
    try:
        return list(reader.records())
    finally:
        reader.close()


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_status_as_json(run, data):
    said = run("--data", data, "status", "news", "--json").stdout
    assert said.count("\n") == 1
    found = json.loads(said)
    logged = records(data)
    assert (found["name"], found["events"]) == ("news", len(logged))
    assert found["digest"] == logged[-1].digest.hex()
    assert found["counts"]["Ranked"] == 180
    assert sum(found["counts"].values()) == len(logged)
    assert (found["published"], found["versions"], found["waiting_decisions"]) == (3, 3, 0)


def test_status_for_people(run, data):
    said = dict(
        line.strip().split(None, 1) for line in run("--data", data, "status", "news").stdout.splitlines()
    )
    assert said["loop"] == "news"
    assert said["model"] == "version 3"
    assert said["Ranked"] == "180"
    assert re.fullmatch(r"[\d,.]+ KiB, [\d,]+ bytes a decision", said["log"])
    assert said["compression"] == "off"
    assert said["chain"] == f"head           {records(data)[-1].digest.hex()}"


def test_status_without_a_model(run):
    run("create", "blank")
    assert "none: all actions are alike" in run("status", "blank").stdout


def test_the_log_as_json_is_every_event_a_line(run, data):
    lines = events(run("--data", data, "log", "news", "--json").stdout)
    for line, record in zip(lines, records(data), strict=True):
        assert list(line) == ["seq", "at", "kind", "event_id", "body"]
        assert (line["seq"], line["at"], line["kind"]) == (record.seq, record.at, record.kind)
        assert line["event_id"] == record.event_id
        assert line["body"] == json.loads(record.body)


def test_the_log_for_people_is_an_event_a_line(run, data):
    lines = run("--data", data, "log", "news").stdout.splitlines()
    assert [int(line.split()[0]) for line in lines] == [record.seq for record in records(data)]
    assert lines[0].split()[1:] == ["2026-01-01T00:00:00.000000Z", "LoopCreated", "Personalizer", "default"]
    first = json.loads(records(data)[1].body)
    assert lines[1].endswith(f"{first['chosen']} ({first['probabilities'][0]:.3f}, model 0, deferred)")
    said = {line.split()[2]: line.split(None, 3)[-1] for line in lines}
    assert said["ModelTrained"].startswith("version 3 from 2, ")
    assert said["ModelPublished"] == "version 3"
    assert said["Activated"].split() == ["event-160"]
    assert said["Rewarded"].split() == ["event-179", *said["Rewarded"].split()[1:]]


def test_the_log_of_slots_names_them_all(run, here):
    with loopledger.open(here / "loopledger-data", clock=loopledger.SimulatedClock(), workers=1) as ledger:
        loop = ledger.create("page", policy=loopledger.ready_policy("personalizer-default-slots"))
        slots = [loopledger.Slot("top"), loopledger.Slot("side")]
        decision = loop.rank_slots({}, {"a": {}, "b": {}, "c": {}}, slots, event_id="e")
        loop.reward("e", 0.25, slot="side")
        loop.change_settings(reward_wait_time=5)
        loop.reset_model()
    lines = run("log", "page").stdout.splitlines()
    top, side = (slot.action for slot in decision.slots)
    assert lines[1].endswith(f"top: {top}, side: {side} (model 0)")
    assert lines[2].endswith("0.25 for side")
    assert lines[3].endswith("SettingsChanged")
    assert lines[4].endswith("ModelReset")


def seqs(run, data, *options):
    return [event["seq"] for event in events(run("--data", data, "log", "news", "--json", *options).stdout)]


def test_parts_of_the_log(run, data):
    logged = records(data)
    assert seqs(run, data, "--first", 5, "--last", 9) == [5, 6, 7, 8, 9]
    assert seqs(run, data, "--first", 9, "--last", 5) == []
    assert seqs(run, data, "--first", len(logged) + 1) == []
    assert seqs(run, data, "--since", 5, "--until", 9) == [5, 6, 7, 8, 9]
    assert seqs(run, data, "--since", 5, "--first", 7, "--until", 9, "--last", 8) == [7, 8]
    assert seqs(run, data, "--since", text(logged[4].at), "--until", 9) == [
        r.seq for r in logged[:9] if r.at >= logged[4].at
    ]
    assert seqs(run, data, "--limit", 3) == [1, 2, 3]
    kinds = ("ModelTrained", "ModelPublished")
    assert seqs(run, data, "--kind", kinds[0], "--kind", kinds[1]) == [
        r.seq for r in logged if r.kind in kinds
    ]
    mine = [record.seq for record in logged if record.event_id == "event-020"]
    assert seqs(run, data, "--event-id", "event-020") == mine
    assert len(mine) == 3
    assert seqs(run, data, "--event-id", "event-020", "--kind", "Rewarded") == mine[-1:]
    assert seqs(run, data, "--event-id", "nobody") == []


def test_numbers_beyond_any_log(run, data):
    huge = 10**30
    assert seqs(run, data, "--first", huge) == []
    assert len(seqs(run, data, "--last", huge, "--limit", huge)) == len(records(data))
    assert run("--data", data, "log", "news", "--first", 0, code=2)
    assert run("--data", data, "log", "news", "--limit", -1, code=2)


def test_a_mistyped_kind_is_not_an_empty_log(run, data):
    said = run("--data", data, "log", "news", "--kind", "Rankd", code=2).output
    assert "'Rankd' is not one of 'LoopCreated', 'Ranked'" in said


def test_text_of_any_language_comes_through(run, here):
    with loopledger.open(here / "loopledger-data", workers=1) as ledger:
        ledger.create("news").rank({"é": "ß"}, {"日本": {}, "[red]": {}}, event_id="🙂\u2028")
    assert (
        events(run("log", "news", "--json").stdout.replace("\u2028", "\\u2028"))[1]["event_id"] == "🙂\u2028"
    )
    assert "🙂" in run("log", "news").stdout


@pytest.fixture
def held(data):
    """The data folder while another process has the loop open for writing."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        yield data, holder.pid
    finally:
        holder.communicate()


def test_looking_while_another_process_writes(run, held):
    data, pid = held
    assert json.loads(run("--data", data, "loops", "--json").stdout)[0]["counts"]["Ranked"] == 181
    assert "181" in run("--data", data, "status", "news").stdout
    assert events(run("--data", data, "log", "news", "--json").stdout)[-1]["event_id"] == "held"
    assert json.loads(run("--data", data, "verify", "--json").stdout)[0]["findings"]["decisions"] == 181
    assert json.loads(run("--data", data, "model", "news", "--json").stdout)["version"] == 3
    refused = run("--data", data, "train", "news", code=3).output
    assert "another writer has this loop open" in refused
    assert f"process {pid}" in refused


def test_looking_leaves_the_log_as_it_is(run, data):
    before = [(record.seq, record.digest) for record in records(data)]
    shutil.rmtree(data / "news" / "models")
    for command in ("status", "log", "model", "verify"):
        run("--data", data, command, "news")
    assert [(record.seq, record.digest) for record in records(data)] == before
    assert not (data / "news" / "models").exists()


def test_a_cut_off_file_is_said_to_be_damaged(run, data):
    database = data / "news" / "log.db"
    database.write_bytes(database.read_bytes()[:20_000])
    for command in ("status", "log", "model", "train"):
        assert "loopledger: the " in run("--data", data, command, "news", code=3).output


def test_log_between_two_times(run, data):
    logged = records(data)
    first, last = logged[100].at, logged[200].at
    since, until = (text(at) for at in (first, last))
    said = run("--data", data, "log", "news", "--since", since, "--until", until, "--json").stdout
    assert [event["seq"] for event in events(said)] == [one.seq for one in logged if first <= one.at <= last]
    assert events(run("--data", data, "log", "news", "--since", "2030-01-01", "--json").stdout) == []
    run("--data", data, "log", "news", "--since", "soon", code=3)


def test_log_follows_what_comes(data):
    command = [sys.executable, "-m", "loopledger.adapters.cli.main", "--data", str(data), "log", "news"]
    script = "import sys; from loopledger.adapters.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, *command[3:], "--follow", "--json", "--first", "376"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        try:
            assert json.loads(follower.stdout.readline())["seq"] == 376
            with loopledger.open(data, workers=1) as ledger:
                ledger.loop("news").rank({}, {"a": {}}, event_id="news-of-the-hour")
            while json.loads(follower.stdout.readline())["event_id"] != "news-of-the-hour":
                pass
        finally:
            follower.terminate()


@pytest.mark.parametrize(("options", "paged"), [((), True), (("--limit", "3"), False)])
def test_a_long_log_is_paged_on_a_terminal(data, tmp_path, options, paged):
    pager, page = tmp_path / "pager", tmp_path / "page"
    pager.write_text(f"#!/bin/sh\ncat > {page}\n")
    pager.chmod(0o755)
    ours, terminal = pty.openpty()
    script = "import sys; from loopledger.adapters.cli.main import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", script, "--data", str(data), "log", "news", *options],
        stdin=terminal,
        stdout=terminal,
        env=os.environ | {"PAGER": str(pager), "TERM": "xterm", "LINES": "20", "COLUMNS": "100"},
        check=True,
        timeout=60,
    )
    os.close(terminal)
    os.close(ours)
    assert done.returncode == 0
    assert page.exists() == paged
    if paged:
        assert len(page.read_text().splitlines()) == len(records(data))


def test_whoever_follows_ends_it_without_a_complaint(data):
    # Where the tests run in the background, Ctrl-C is ignored, and children inherit that.
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from loopledger.adapters.cli.main import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "--data", str(data), "log", "news", "--follow", "--last", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as follower:
        assert b"LoopCreated" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        assert follower.stderr.read() == b""
    assert follower.returncode == 0
