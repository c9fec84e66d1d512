import json

import pytest


def test_a_backup_and_back(run, data, tmp_path):
    said = run("--data", data, "backup", "--out", tmp_path / "copy").output
    assert "copy holds 1 loop in" in said
    said = run("--data", tmp_path / "new", "restore", tmp_path / "copy").output
    assert "has 1 loop more, and everything holds" in said
    whole = json.loads(run("--data", data, "verify", "--json").output)
    again = json.loads(run("--data", tmp_path / "new", "verify", "--json").output)
    assert [one["digest"] for one in again] == [one["digest"] for one in whole]


def test_a_backup_as_json(run, data, tmp_path):
    made = json.loads(run("--data", data, "backup", "news", "--out", tmp_path / "copy", "--json").output)
    assert made["folder"] == str(tmp_path / "copy")
    status = json.loads(run("--data", data, "status", "news", "--json").output)
    assert [(loop["name"], loop["seq"]) for loop in made["loops"]] == [("news", status["events"])]
    assert (tmp_path / "copy" / "news" / "log.db").stat().st_size == made["files"]["news/log.db"]["size"]


@pytest.mark.parametrize("moment", ["100", "2026-01-01T00:00:30Z"])
def test_back_to_a_moment_beside_the_loop(run, data, tmp_path, moment):
    run("--data", data, "backup", "--out", tmp_path / "copy")
    words = ["restore", tmp_path / "copy", "--loop", "news", "--as-of", moment, "--as", "then"]
    (found,) = json.loads(run("--data", data, *words, "--chain-only", "--json").output)
    then = json.loads(run("--data", data, "as-of", "news", moment, "--json").output)
    assert (found["loop"], found["seq"], found["digest"]) == ("then", then["seq"], then["digest"])
    assert found["saved"] > found["seq"]
    assert json.loads(run("--data", data, "as-of", "then", moment, "--json").output) == then


def test_keys_stay_out_of_it_if_that_is_wanted(run, data, tmp_path):
    run("--data", data, "keys", "create", "news")
    run("--data", data, "backup", "--out", tmp_path / "with")
    run("--data", data, "backup", "--out", tmp_path / "without", "--without-keys")
    for copy, kept in (("with", True), ("without", False)):
        run("--data", tmp_path / f"new-{copy}", "restore", tmp_path / copy, "--chain-only")
        keys = json.loads(run("--data", tmp_path / f"new-{copy}", "keys", "list", "--json").output)
        assert bool(keys) == kept
    run("--data", tmp_path / "new", "restore", tmp_path / "with", "--chain-only", "--without-keys")
    assert json.loads(run("--data", tmp_path / "new", "keys", "list", "--json").output) == []


def test_what_cannot_be_done_is_a_sentence(run, data, tmp_path):
    copy = tmp_path / "copy"
    run("--data", data, "backup", code=2)
    run("--data", data, "backup", "--out", copy)
    for words, said in (
        (("backup", "--out", copy), "--force"),
        (("backup", "weather", "--out", tmp_path / "other"), "there is no loop 'weather'"),
        (("backup", "--out", data / "copy"), "outside the data folder"),
        (("restore", copy), "--as NAME"),
        (("restore", copy, "--loop", "weather"), "it has news"),
        (("restore", tmp_path), "is no backup"),
        (("restore", copy, "--as", "x/y"), "name: must have"),
        (("restore", copy, "--as", "other", "--as-of", "soon"), "time: must be"),
    ):
        assert said in run("--data", data, *words, code=3).stderr
    run("--data", data, "backup", "--out", copy, "--force")


def test_a_backup_that_does_not_hold_is_not_put_back(run, data, tmp_path):
    run("--data", data, "backup", "--out", tmp_path / "copy")
    log = tmp_path / "copy" / "news" / "log.db"
    log.write_bytes(log.read_bytes()[:-1])
    said = run("--data", tmp_path / "new", "restore", tmp_path / "copy", code=3).stderr
    assert "news/log.db has" in said
    assert "verify" not in said
    assert not (tmp_path / "new").exists()  # not even the data folder


def test_a_folder_without_loops_has_nothing_to_back_up(run, tmp_path):
    assert (
        "there is no loop"
        in run("--data", tmp_path / "none", "backup", "--out", tmp_path / "x", code=3).stderr
    )
    assert not (tmp_path / "none").exists()
