"""Every Python example in the README runs as it stands, in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text("utf-8") if README.is_file() else ""
# An example's first words say in a failure which one it is.
EXAMPLES = [
    pytest.param(match[1], id=f"line-{TEXT[: match.start()].count(chr(10)) + 2}")
    for match in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
]

pytestmark = pytest.mark.skipif(not TEXT, reason="there is no README around these tests")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_as_it_stands(tmp_path, example):
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_examples():
    assert EXAMPLES


def test_links_within_the_project_lead_somewhere():
    # `#` alone is a place on the page.
    targets = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    inside = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in inside if target and not (README.parent / target).exists()] == []


def calls():
    """Return every call in the README's list of commands: its command, and its options."""
    block = re.search(r"^```\n(loopledger .*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert block
    for line in filter(None, block[1].splitlines()):
        # What follows two spaces says what it does; a bar between brackets is one between options.
        call, *_ = re.split(r"\s{2,}", line.removeprefix("loopledger [--data DIR] "))
        for part in re.split(r" \| (?![^\[]*\])", call):
            yield part.split()[0], re.findall(r"--[a-z-]+", part)


def test_the_commands_and_options_in_it_are_those_that_there_are():
    import click
    from click.testing import CliRunner

    from loopledger.adapters.cli.main import main

    for command, options in calls():
        page = CliRunner().invoke(main, [command, "--help"]).output
        assert page.startswith(f"Usage: main {command}")
        for option in options:
            assert option in page, f"{command} has no {option}"
    assert {command for command, _ in calls()} == set(main.list_commands(click.Context(main)))


def test_the_names_in_it_are_those_that_there_are():
    import loopledger

    for name in re.findall(r"\bloopledger\.([A-Za-z_]+)\b", TEXT):
        assert name in {*loopledger.__all__, "__version__"}, name
    for name in re.findall(r"`loop\.([a-z_]+)\(", TEXT):
        assert hasattr(loopledger.Loop, name)
        assert hasattr(loopledger.AsyncLoop, name)
    for name in re.findall(r"`ledger\.([a-z_]+)\(", TEXT):
        assert hasattr(loopledger.Ledger, name)
        assert hasattr(loopledger.AsyncLedger, name)


def test_the_exit_codes_are_told_as_the_command_line_tells_them():
    from click.testing import CliRunner

    from loopledger.adapters.cli.main import main

    said = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    (codes,) = re.findall(r"Exit codes: .*?carried out\.", said)
    assert codes in TEXT.replace("`", "")


@pytest.mark.parametrize("page", ["README.md", "docs/exporting.md", "docs/features.md"])
def test_what_is_run_for_the_first_loop_finds_it(page):
    text = (README.parent / page).read_text("utf-8")
    run = [line for line in text.splitlines() if re.match(r"loopledger .*\bfront-page\b", line)]
    assert run
    for line in run:
        assert line.startswith("loopledger --data shop-data ")
        assert " create front-page" not in line or " keys create " in line  # the first example made it


def test_every_part_of_the_log_that_can_be_asked_for_is_listed():
    import inspect

    import loopledger

    (listed,) = re.findall(r"`loop\.log\((.*?)\)`", TEXT)
    names = [word.partition("=")[0].strip() for word in listed.split(",")]
    assert names == list(inspect.signature(loopledger.Loop.log).parameters)[1:]
