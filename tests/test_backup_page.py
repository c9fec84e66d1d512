"""What docs/backup.md shows can be typed as it stands, and what it shows to cron does what it says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import learned
import pytest

import loopledger
from loopledger.adapters.cli.main import main

PAGE = Path(__file__).parents[1] / "docs" / "backup.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""
BLOCKS = re.findall(r"^```(?:sh)?\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
CALLS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("loopledger ")]

pytestmark = pytest.mark.skipif(not TEXT, reason="there are no docs here")


@pytest.mark.parametrize("call", CALLS)
def test_a_call_on_the_page_is_understood(call):
    _, _, data, name, *rest = shlex.split(call)
    with click.Context(main, obj=Path(data), **main.context_settings) as context:
        command = main.get_command(context, name)
        command.make_context(name, rest, parent=context)  # it raises what click does not understand
    assert name in {"backup", "restore", "verify"}


def test_there_are_calls_and_an_option_that_there_is_not_is_noticed():
    assert len(CALLS) >= 6
    with pytest.raises(click.UsageError):
        test_a_call_on_the_page_is_understood("loopledger --data shop-data backup --where x")


def test_the_line_for_cron_makes_a_backup_a_day(tmp_path):
    (line,) = re.findall(r"^17 3 \* \* \*  (.*)$", TEXT, re.MULTILINE)
    learned.make(tmp_path / "srv" / "shop-data", rounds=0)
    for folder in ("mnt/backups", "var/log"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("/srv/", "/mnt/", "/var/"):
        line = line.replace(folder, f"{tmp_path}{folder}")
    line = line.replace("loopledger --data", f"{sys.executable} -m loopledger --data").replace(r"\%", "%")
    subprocess.run(["sh", "-c", line], check=True, timeout=60, env={**os.environ, "TZ": "UTC"})
    (copy,) = (tmp_path / "mnt" / "backups").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", copy.name)
    with loopledger.open(tmp_path / "new") as ledger:
        assert [one.loop for one in ledger.restore(copy, chain_only=True)] == ["news"]
    assert '"loops":[{"name":"news"' in (tmp_path / "var" / "log" / "loopledger-backup.json").read_text()


def test_links_on_the_page_lead_somewhere():
    targets = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    inside = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in inside if target and not (PAGE.parent / target).exists()] == []
    headings = {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    assert {target[1:] for target in targets if target.startswith("#")} <= headings
