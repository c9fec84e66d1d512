"""`doctor`."""

import errno
import json

import pytest

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


@pytest.mark.parametrize(
    ("number", "what", "way_out"),
    [
        (errno.EACCES, "Permission denied", "give this user the rights"),
        (errno.ENOSPC, "No space left on device", "make room there"),
        (errno.EDQUOT, "Disk quota exceeded", "make room there"),
    ],
)
def test_a_folder_that_cannot_be_used(run, data, monkeypatch, number, what, way_out):
    def refuse(*_, **__):
        raise OSError(number, what)

    monkeypatch.setattr(measure.tempfile, "TemporaryFile", refuse)
    said = run("--data", data, "doctor", code=1).stdout
    assert f"cannot be read and written: {what}\n" in said
    assert f"-> {way_out}, or give another folder with --data" in said


def test_an_unknown_loop(run, data):
    assert "there is no loop 'gnus'" in run("--data", data, "doctor", "gnus", code=3).output
