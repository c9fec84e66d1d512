"""`doctor`."""

import json

from loopledger.adapters.doctor import measure


def test_a_sound_loop(run, data):
    said = run("--data", data, "doctor").stdout
    assert "loop news: it opens: 376 events" in said
    assert "0 problems, 0 warnings" in said
    found = json.loads(run("--data", data, "doctor", "news", "--json").stdout)
    assert found["healthy"] is True
    assert {finding["level"] for finding in found["findings"]} <= {"ok", "note", "warning"}
    assert sorted(path.name for path in data.iterdir()) == ["news"]


def test_without_any_loop_or_folder_the_machine_is_looked_at(run, here):
    assert "there is no folder" in run("doctor").stdout
    assert not list(here.iterdir())
    (here / "loopledger-data").mkdir()
    said = run("doctor").stdout
    assert "an fsync takes" in said
    assert "locks work" in said


def test_a_problem_is_exit_code_1(run, data):
    (data / "news" / "log.db").write_bytes(b"rubbish" * 5000)
    said = run("--data", data, "doctor", code=1).stdout
    assert "problem  loop news: the file is not a readable SQLite database" in said
    assert "1 problem, 0 warnings" in said
    assert json.loads(run("--data", data, "doctor", "--json", code=1).stdout)["healthy"] is False


def test_a_folder_that_cannot_be_used(run, data, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(measure.tempfile, "TemporaryFile", refuse)
    assert "cannot be read and written: Permission denied" in run("--data", data, "doctor", code=1).stdout


def test_an_unknown_loop(run, data):
    assert "there is no loop 'gnus'" in run("--data", data, "doctor", "gnus", code=3).output
