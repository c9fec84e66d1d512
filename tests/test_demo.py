"""The demonstration: it runs, it proves what it says, and it would say so if it could not."""

import json
import shlex
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec

import learned
import msgspec
import pytest
from click.testing import CliRunner

from loopledger.adapters import digits
from loopledger.adapters.cli import demo
from loopledger.adapters.cli.main import main
from loopledger.adapters.embedding.ledger import Ledger

PROGRAM = (sys.executable, "-W", "error", "-c", "from loopledger.adapters.cli.main import main; main()")


@pytest.fixture(scope="module", autouse=True)
def _extras():
    for name in ("sklearn", "matplotlib"):
        if find_spec(name) is None:
            pytest.skip(f"the demonstration needs {name}: pip install 'loopledger[demo]'")


def run(*words, **more):
    return subprocess.run(
        [*PROGRAM, *words], capture_output=True, text=True, timeout=300, check=False, **more
    )


@pytest.mark.slow
def test_the_demonstration_as_the_readme_says_it(tmp_path):
    shown = run("demo", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Everything holds." in shown.stdout
    data = tmp_path / "loopledger-data"
    picture = (data / "digits-learning-curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    # What it says to try next works as it stands.
    hints = [line.strip() for line in shown.stdout.partition("Look around:")[2].splitlines() if line.strip()]
    commands = [shlex.split(line)[1:] for line in hints if line.startswith("loopledger ")]
    assert {words[2] for words in commands} >= {"status", "log", "model", "verify"}
    for words in commands:
        tried = run(*words, cwd=tmp_path)
        assert (tried.returncode, tried.stderr) == (0, ""), words
        assert tried.stdout
    model = run("model", "digits", "--version", "1", "--json", cwd=tmp_path)
    said = json.loads(model.stdout)
    assert sha256((tmp_path / said["file"]).read_bytes()).hexdigest() == said["sha256"]


@pytest.fixture
def quick(monkeypatch):
    """Show it only a few digits."""
    stream = digits.stream
    monkeypatch.setattr(demo, "stream", lambda passes, seed: stream(passes, seed)[:1000])


def shown(data, *options, code=0):
    result = CliRunner().invoke(main, ["--data", str(data), "demo", *options], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_what_it_says_as_json(tmp_path, monkeypatch):
    left = []

    def look(data, **more):
        left.append(
            [entry.name for path in data.glob("digits*") if path.is_dir() for entry in path.iterdir()]
        )
        return Ledger(data, **more)

    monkeypatch.setattr(demo, "Ledger", look)
    said = json.loads(shown(tmp_path, "--json"))
    # The proof begins with nothing but the log.
    assert left == [[], ["log.db"]]
    assert (said["loop"], said["decisions"], said["holds"]) == ("digits", 1000, True)
    assert said["findings"]["decisions"] == 1000
    assert said["findings"]["events"] == said["events"]
    assert said["newest"]["same"]
    assert said["midway"]["same"]
    assert said["end"] > said["half_time"] > said["uniform"]
    log = tmp_path / "digits" / "log.db"
    assert len(learned.seqs(log, "Ranked")) == 1000
    assert len(learned.seqs(log, "PolicyChanged")) == 1
    # Deferred, never activated, late and missing: the story has all that goes wrong.
    assert set(said["mishaps"]) >= {"deferred", "never activated", "rewards late", "rewards missing"}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_loop_that_is_there_is_left_alone_and_the_same_seed_is_the_same_story(tmp_path):
    stories = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        CliRunner().invoke(main, ["--data", str(folder), "create", "digits"], catch_exceptions=False)
        stories.append(json.loads(shown(folder, "--json")))
        assert stories[-1]["loop"] == "digits-2"
        assert (folder / "digits-2-learning-curve.png").is_file()
        assert learned.seqs(folder / "digits" / "log.db", "LoopCreated") == [1]
    for story in stories:
        del story["seconds"], story["picture"]
    assert stories[0] == stories[1]


def between(monkeypatch, change):
    """Do something between what the demonstration learns and what it proves."""
    tell = demo._tell

    def tampered(story, curve):
        change(story)
        tell(story, curve)

    monkeypatch.setattr(demo, "_tell", tampered)


# A loop does not even open when one of its last events is not what was recorded.
@pytest.mark.parametrize(("place", "code"), [(5, 1), (-1, 3)])
@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_log_that_was_touched_fails_the_proof(tmp_path, monkeypatch, place, code):
    def touch(story):
        log = tmp_path / story.loop / "log.db"
        seq = learned.seqs(log, "Activated")[place]
        learned.tamper(log, f"UPDATE events SET body = body || ' ' WHERE seq = {seq}")
        touched.append(seq)

    touched = []
    between(monkeypatch, touch)
    said = shown(tmp_path, code=code)
    assert f"event {touched[0]} (Activated) is not what was recorded" in said
    assert "Everything holds." not in said
    assert "Look around" not in said
    assert ("Not everything holds." in said) == (code == 1)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_other_bytes_fail_the_proof(tmp_path, monkeypatch):
    learn = demo._learn

    def otherwise(data, passes, seed):
        story, curve, (newest, midway) = learn(data, passes, seed)
        return story, curve, (newest, msgspec.structs.replace(midway, data=midway.data + b"\0"))

    monkeypatch.setattr(demo, "_learn", otherwise)
    said = shown(tmp_path, code=1)
    assert "the same bytes" in said
    assert "OTHER BYTES" in said
    assert "Not everything holds." in said


@pytest.mark.parametrize("missing", ["matplotlib", "sklearn"])
def test_without_its_extras_it_says_what_to_install_before_it_begins(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    said = CliRunner().invoke(main, ["--data", str(tmp_path / "data"), "demo"], catch_exceptions=False)
    assert said.exit_code == 3
    assert "pip install 'loopledger[demo]'" in said.output
    assert not (tmp_path / "data").exists()


def test_the_curve_in_characters():
    from loopledger.adapters.cli.chart import draw_text, moving_average

    assert moving_average([1, 0, 1, 1], 2) == [1, 0.5, 0.5, 1]
    lines = draw_text([0.0] * 50 + [1.0] * 50, width=10, height=2).splitlines()
    assert lines == ["100% ┤     █████", "     │     █████", "     └──────────"]
