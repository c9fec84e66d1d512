"""`train` and `model`."""

import json
import time
from hashlib import sha256

import learned
import pytest

import loopledger
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.sqlite.store import SqliteStore


def made(data):
    """Return what the log says of each version."""
    reader = SqliteStore(data / "news").reader()
    try:
        return {record.seq: json.loads(record.body) for record in reader.records(kinds=("ModelTrained",))}
    finally:
        reader.close()


def waiting(data, frequency=0):
    """Let decisions wait for training whose windows closed long ago."""
    with loopledger.open(data, clock=loopledger.SimulatedClock(learned.START), workers=1) as ledger:
        loop = ledger.loop("news", create=True)
        learned.live(loop, ledger.directory.clock, 1000)
        loop.change_settings(model_update_frequency=frequency)


def test_training_learns_what_waits(run, data):
    waiting(data)
    assert run("--data", data, "train", "news").stdout == "made version 4\n"
    assert len(made(data)) == 4
    assert json.loads(run("--data", data, "status", "news", "--json").stdout)["published"] == 4


def test_training_as_json(run, data):
    waiting(data)
    assert json.loads(run("--data", data, "train", "news", "--json").stdout) == {
        "loop": "news",
        "versions": [4],
    }
    assert json.loads(run("--data", data, "train", "news", "--json").stdout) == {
        "loop": "news",
        "versions": [],
    }


def test_nothing_to_learn_is_said(run, data):
    assert "there is nothing to learn" in run("--data", data, "train", "news").stdout
    assert len(made(data)) == 3


def test_several_versions_at_once(run, here):
    data = here / "loopledger-data"
    with loopledger.open(data, clock=loopledger.SimulatedClock(learned.START), workers=1) as ledger:
        settings = loopledger.Settings(model_update_frequency=0, checkpoint_interval=25)
        learned.live(ledger.create("news", settings=settings), ledger.directory.clock, 0)
    assert run("train", "news").stdout == "made versions 1, 2, 3\n"


def test_a_loop_that_is_overdue_does_not_train_by_itself_before_it_is_told_to(run, data, monkeypatch):
    waiting(data, frequency=1)
    train = Loop.train

    def slowly(loop, progress):
        time.sleep(0.3)
        return train(loop, progress)

    monkeypatch.setattr(Loop, "train", slowly)
    assert run("--data", data, "train", "news").stdout == "made version 4\n"


def test_the_model_that_answers_now(run, here, data):
    said = dict(line.split(None, 1) for line in run("--data", data, "model", "news").stdout.splitlines())
    seq, newest = max(made(data).items())
    assert seq
    assert (said["file"], said["version"], said["sha256"]) == ("news-3.vw", "3", newest["sha256"])
    assert sha256((here / "news-3.vw").read_bytes()).hexdigest() == newest["sha256"]
    assert said["engine"] == newest["engine"]


def test_any_version_into_any_file(run, here, data):
    for seq, trained in made(data).items():
        said = json.loads(
            run(
                "--data",
                data,
                "model",
                "news",
                "--version",
                trained["version"],
                "--out",
                "it.vw",
                "--force",
                "--json",
            ).stdout
        )
        model = (here / "it.vw").read_bytes()
        assert sha256(model).hexdigest() == said["sha256"] == trained["sha256"]
        assert (said["seq"], said["size"], said["file"]) == (seq, len(model), "it.vw")
        assert {name: said[name] for name in ("parent", "first", "last", "examples")} == {
            name: trained[name] for name in ("parent", "first", "last", "examples")
        }


def test_the_model_of_a_moment(run, data):
    for seq, trained in made(data).items():
        at = trained["version"]
        # The version is published by the event after the one that records it.
        moment = f"2026-01-01T00:{11 * at}:00Z"
        for options in (("--seq", seq + 1), ("--time", moment), ("--as-of", seq + 1), ("--as-of", moment)):
            said = run("--data", data, "model", "news", *options, "--force", "--json").stdout
            assert json.loads(said)["version"] == at
        if at > 1:
            said = run("--data", data, "model", "news", "--seq", seq, "--force", "--json").stdout
            assert json.loads(said)["version"] == at - 1


def test_a_model_to_the_standard_output_is_nothing_but_the_model(run, here, data):
    written = run("--data", data, "model", "news", "--out", "-").stdout_bytes
    assert sha256(written).hexdigest() == max(made(data).items())[1]["sha256"]
    assert not list(here.iterdir())


def test_a_file_that_is_there_is_not_written_over(run, here, data):
    (here / "news-3.vw").write_text("mine")
    for options in ((), ("--out", "news-3.vw")):
        said = run("--data", data, "model", "news", *options, code=3).output
        assert "news-3.vw is there already: --force writes over it" in said
    assert (here / "news-3.vw").read_text() == "mine"
    run("--data", data, "model", "news", "--force")
    assert sha256((here / "news-3.vw").read_bytes()).hexdigest() == max(made(data).items())[1]["sha256"]


def test_a_model_and_json_cannot_share_the_standard_output(run, data):
    assert (
        "give one of --json and --out -"
        in run("--data", data, "model", "news", "--out", "-", "--json", code=2).output
    )


def test_a_model_that_is_not_kept_is_made_again(run, here, data):
    for kept in (data / "news" / "models").iterdir():
        kept.write_bytes(b"damaged")
    run("--data", data, "model", "news")
    assert sha256((here / "news-3.vw").read_bytes()).hexdigest() == max(made(data).items())[1]["sha256"]


def test_a_log_that_was_tampered_with_gives_no_model(run, here, data):
    (data / "news" / "models").rename(here / "models")
    seq = min(learned.seqs(data / "news" / "log.db", "Rewarded"))
    change = f"UPDATE events SET body = replace(body, '0.0', '1.0') WHERE seq = {seq}"
    learned.tamper(data / "news" / "log.db", change)
    said = run("--data", data, "model", "news", code=3).output
    assert f"event {min(made(data))}: model version 1 should have SHA-256" in said
    assert [path.name for path in here.iterdir()] == ["models"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--version", 4), "there is no model version 4"),
        (("--version", 10**30), "there is no model version"),
        (("--seq", 1), "no model was published at that moment"),
        (("--seq", 10**30), "there is no event"),
        (("--time", "2026-01-01"), "no model was published at that moment"),
        (("--time", "1969-12-31"), "made only after that time"),
        (("--time", "yesterday"), "must be ISO 8601"),
        (("--time", ""), "must be ISO 8601"),
    ],
)
def test_a_model_that_there_never_was(run, here, data, options, says):
    assert says in run("--data", data, "model", "news", *options, code=3).output
    assert not list(here.iterdir())


def test_only_one_moment_at_a_time(run, data):
    said = run("--data", data, "model", "news", "--version", 1, "--seq", 5, code=2).output
    assert "give one of --version, --as-of, --time and --seq" in said
    assert run("--data", data, "model", "news", "--version", 0, code=2)


def test_a_file_that_cannot_be_written(run, here, data):
    assert "missing/it.vw" in run("--data", data, "model", "news", "--out", "missing/it.vw", code=3).output
    assert run("--data", data, "model", "news", "--out", here, code=2)
