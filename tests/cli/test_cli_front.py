"""What all commands have in common, and what only a process of its own can show."""

import json
import os
import subprocess
import sys

import click
import pytest

from loopledger.adapters.cli.main import main
from loopledger.adapters.embedding.loop import Loop
from loopledger.adapters.embedding.view import LoopView

# What the installed script does, with warnings as errors.
PROGRAM = (sys.executable, "-W", "error", "-c", "from loopledger.adapters.cli.main import main; main()")
CONTEXT = click.Context(main)
COMMANDS = {name: main.get_command(CONTEXT, name) for name in main.list_commands(CONTEXT)}


def about_a_loop():
    """Return the words with which to call each command that is about one loop, but for its name."""
    for name, command in COMMANDS.items():
        required = [parameter for parameter in command.params if parameter.required]
        if required and required[0].name == "loop":
            options = [word for one in required if one.opts[0].startswith("-") for word in (one.opts[0], "-")]
            others = [one for one in required[1:] if not one.opts[0].startswith("-")]
            arguments = ["1" if isinstance(one.type, click.IntRange) else "-" for one in others]
            yield pytest.param(name, [*arguments, *options], id=name)
    yield pytest.param("verify", [], id="verify")


LOOPED = list(about_a_loop())


def process(*words, **more):
    """Call the command line as a shell does."""
    command = [*PROGRAM, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)


def test_the_front_page_names_every_command_and_exit_code(run):
    page = run("--help").stdout
    listed = [line.split()[0] for line in page.partition("Commands:")[2].splitlines() if line]
    assert listed == sorted(COMMANDS)
    assert {"create", "demo", "log", "loops", "model", "policies", "status", "train", "verify"} <= set(listed)
    # What click does not wrap it also does not show as it stands in the source.
    assert "\\b" not in page
    assert "1 verify or doctor found something" in page
    # What a command does is said in full.
    assert "..." not in page.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    page = run(command, "--help").stdout
    assert page.startswith(f"Usage: main {command}")
    assert "--json" in page
    assert run(command, "-h").stdout == page


def test_what_is_not_understood_is_exit_code_2(run):
    assert "No such command 'nope'" in run("nope", code=2).output
    assert "Missing argument" in run("status", code=2).output
    assert "No such option" in run("loops", "--nope", code=2).output
    assert "Usage:" in run(code=2).output


def test_the_version_is_the_packages(run):
    import loopledger

    assert run("--version").stdout.split()[-1] == loopledger.__version__


def test_python_m_is_the_same_command_line():
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-m", "loopledger", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("python -m loopledger, version ")


def test_the_data_folder_is_found_by_option_environment_or_default(run, here, data):
    assert run("--data", data, "loops").stdout.splitlines()[1].startswith("news")
    assert "news" in run("loops", env={"LOOPLEDGER_DATA": str(data)}).stdout
    assert "there is no loop in loopledger-data" in run("loops").stdout
    assert not list(here.iterdir())
    data.rename(here / "loopledger-data")
    assert "news" in run("loops").stdout
    # What is typed counts more than what is set.
    assert "no loop in elsewhere" in run("--data", "elsewhere", "loops", env={"LOOPLEDGER_DATA": "x"}).stdout


def test_a_file_is_no_data_folder(run, here):
    (here / "file").touch()
    assert "is a file" in run("--data", "file", "loops", code=2).output
    assert "loopledger: " in run("--data", "file/inside", "create", "news", code=3).output


@pytest.mark.parametrize(("command", "more"), LOOPED)
def test_an_unknown_loop_is_named_with_those_that_there_are(run, data, command, more):
    result = run("--data", data, command, "gnus", *more, code=3)
    assert "there is no loop 'gnus'" in result.output
    assert "there is news" in result.output


@pytest.mark.parametrize(("command", "more"), LOOPED)
@pytest.mark.parametrize("name", ["../data/news", "news/", ".", "", "a\nb"])
def test_a_path_is_no_loops_name(run, data, command, more, name):
    assert "there is no loop" in run("--data", data, command, name, *more, code=3).output


@pytest.mark.parametrize(("command", "more"), LOOPED)
def test_a_mistyped_data_folder_is_not_made(run, here, command, more):
    said = run("--data", "dat", command, "news", *more, code=3).output
    assert "there is no loop 'news' in dat; there is none" in said
    assert not list(here.iterdir())


@pytest.mark.parametrize("words", [("verify", "news"), ("train", "news")])
def test_what_is_interrupted_has_found_nothing(run, data, monkeypatch, words):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(LoopView, "verify", interrupt)
    monkeypatch.setattr(Loop, "train", interrupt)
    assert "loopledger: stopped before it was done" in run("--data", data, *words, code=3).output


def test_no_file_is_a_sentence_that_begins_with_its_name(run, data):
    said = run("--data", data, "model", "news", "--out", "no/folder/model.vw", code=3).output
    assert said == "loopledger: no/folder/model.vw: No such file or directory\n"


@pytest.mark.parametrize("words", [("as-of", "news", "9" * 5000), ("diff", "news", "@" + "9" * 5000, "1")])
def test_numbers_longer_than_python_reads(run, data, words):
    assert "ISO 8601" in run("--data", data, *words, code=3).output


def test_what_the_machine_refuses_is_a_sentence(run, data, monkeypatch):
    import sqlite3

    def refuse(_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(LoopView, "status", refuse)
    assert "loopledger: disk I/O error" in run("--data", data, "status", "news", code=3).output


def test_results_and_complaints_do_not_share_a_stream(shared_data):
    good = process("--data", shared_data, "status", "news", "--json")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["name"] == "news"
    bad = process("--data", shared_data, "status", "gnus", "--json")
    assert (bad.returncode, bad.stdout) == (3, "")
    assert bad.stderr.startswith("loopledger: there is no loop 'gnus'")
    assert len(bad.stderr.splitlines()) == 1


def test_whoever_reads_the_log_may_stop_early(shared_data):
    command = [*PROGRAM, "--data", str(shared_data), "log", "news", "--json"]
    shell = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # As `head -1` does; the rest is more than a pipe holds.
    assert b"LoopCreated" in shell.stdout.readline()
    shell.stdout.close()
    said = shell.stderr.read()
    shell.wait(timeout=60)
    shell.stderr.close()
    # Not 1: that is for what verify and doctor find.
    assert (said, shell.returncode) == (b"", 3)


@pytest.mark.parametrize("command", [("log", "news"), ("loops",)])
def test_nobody_at_all_may_read(shared_data, command):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        shell = subprocess.run(
            [*PROGRAM, "--data", str(shared_data), *command],
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert shell.stderr == b""
