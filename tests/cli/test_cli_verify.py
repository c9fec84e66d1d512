"""`verify`."""

import json
import shutil

import learned
import pytest

from loopledger.adapters.vw.arguments import engine
from loopledger.adapters.vw.learner import VwLearner
from loopledger.policy import LearningPolicy


def verified(run, data, *loops, code=0):
    return json.loads(run("--data", data, "verify", *loops, "--json", code=code).stdout)


def problems(run, data):
    (found,) = verified(run, data, code=1)
    assert found["holds"] is False
    return found["findings"]["problems"]


def change(data, *statements):
    learned.tamper(data / "news" / "log.db", *statements)


@pytest.mark.usefixtures("own_processes")
def test_a_sound_loop_holds(run, data):
    (found,) = verified(run, data)
    findings = found["findings"]
    status = json.loads(run("--data", data, "status", "news", "--json").stdout)
    assert (found["loop"], found["holds"], found["engine"]) == ("news", True, engine())
    assert (found["head"], found["digest"]) == (status["events"], status["digest"])
    assert (findings["events"], findings["versions"], findings["decisions"]) == (status["events"], 3, 180)
    assert findings["problems"] == []


def test_a_sound_loop_for_people(run, data):
    said = run("--data", data, "verify", "news").stdout
    assert "180 computed again" in said
    assert "3 rebuilt, bit for bit" in said
    assert said.endswith("everything holds\n")


def test_all_loops_or_those_that_are_named(run, here):
    data = here / "loopledger-data"
    for name in ("b", "a"):
        run("create", name)
    assert [found["loop"] for found in verified(run, data)] == ["a", "b"]
    assert [found["loop"] for found in verified(run, data, "b")] == ["b"]


def test_without_any_loop_there_is_nothing_that_could_hold(run):
    assert "there is no loop in loopledger-data" in run("verify", code=3).output


@pytest.mark.usefixtures("own_processes")
def test_a_changed_body_is_named(run, data):
    seq = learned.seqs(data / "news" / "log.db", "Rewarded")[7]
    change(data, f"UPDATE events SET body = replace(body, '\"value\"', '\"value\" ') WHERE seq = {seq}")
    (problem,) = problems(run, data)
    assert problem["seq"] == seq
    assert f"event {seq} " in problem["what"]
    said = run("--data", data, "verify", code=1).output
    assert "everything holds" not in said
    assert problem["what"] in said


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE events SET at = at + 1 WHERE seq = 50", 50),
        ("DELETE FROM events WHERE seq = 50", 50),
        ("DELETE FROM events WHERE seq > 50", 51),
        ("DELETE FROM events", 1),
    ],
)
def test_whatever_is_done_to_an_event_its_seq_is_named(run, data, statement, first):
    change(data, statement)
    assert min(problem["seq"] for problem in problems(run, data)) == first


def test_two_events_that_changed_places(run, data):
    change(
        data,
        "UPDATE events SET seq = -1 WHERE seq = 50",
        "UPDATE events SET seq = 50 WHERE seq = 51",
        "UPDATE events SET seq = 51 WHERE seq = -1",
    )
    assert problems(run, data)[0]["seq"] == 50


def test_a_log_that_was_replaced_by_an_empty_one(run, data):
    for file in (data / "news").glob("log.db*"):
        file.unlink()
    (data / "news" / "log.db").touch()
    # Opened for writing, it is set up, and still no loop was ever created in it.
    run("--data", data, "train", "news", code=3)
    assert "LoopCreated" in problems(run, data)[0]["what"]


def test_a_damaged_file_is_found_and_the_other_loops_are_looked_at_all_the_same(run, data):
    shutil.copytree(data / "news", data / "also")
    database = data / "also" / "log.db"
    database.write_bytes(b"rubbish" * 5000)
    broken, sound = verified(run, data, code=1)
    assert (broken["loop"], broken["holds"], sound["loop"], sound["holds"]) == ("also", False, "news", True)
    assert "not a readable SQLite database" in broken["findings"]["problems"][0]["what"]
    assert "everything holds" in run("--data", data, "verify", code=1).stdout


def test_a_kept_model_that_is_damaged_is_no_damage_to_the_log(run, data):
    for kept in (data / "news" / "models").iterdir():
        kept.write_bytes(b"damaged")
    assert verified(run, data)[0]["findings"]["versions"] == 3


def test_models_of_another_engine_are_counted_and_not_called_broken(run, here, monkeypatch):
    fold = VwLearner.fold

    def otherwise(learner, policy, parent, examples):
        other = LearningPolicy(policy.name, policy.arguments.replace("-l 0.001", "-l 0.002"))
        return fold(learner, other, parent, examples)

    with monkeypatch.context() as patched:
        patched.setattr("loopledger.adapters.vw.learner.engine", lambda: "vowpalwabbit 99 elsewhere")
        patched.setattr(VwLearner, "fold", otherwise)
        learned.make(here / "loopledger-data")
    findings = verified(run, here / "loopledger-data")[0]["findings"]
    assert (findings["versions"], findings["unchecked_versions"]) == (0, 3)
    assert (findings["decisions"], findings["unchecked_decisions"]) == (60, 120)
    said = run("verify").stdout
    assert "3 versions and 120 decisions: they need another engine" in said
    assert said.endswith("everything holds\n")


def test_an_anchor_is_written_and_later_checked(run, data, tmp_path):
    anchor = tmp_path / "elsewhere.jsonl"
    for _ in range(2):
        run("--data", data, "verify", "--anchor", anchor)
    (line,) = anchor.read_text().splitlines()
    noted = json.loads(line)
    assert noted["loop"] == "news"
    anchor.write_text(line.replace(noted["digest"], "00" * 32) + "\n")
    said = run("--data", data, "verify", "--anchor", anchor, code=1).stdout
    assert f"event {noted['seq']} is another than an anchor knows" in said
    assert anchor.read_text().count("\n") == 1, "what does not hold is not noted"


def test_since(run, data):
    found = json.loads(run("--data", data, "verify", "news", "--since", "300", "--json").stdout)
    assert (found[0]["since"], found[0]["holds"]) == (300, True)
    run("--data", data, "verify", "news", "--since", "2026-01-01T00:11", "--json")
    run("--data", data, "verify", "news", "--since", "tomorrow", code=3)
