"""What docs/exporting.md shows runs as it stands, and names the columns that there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from exported import GREEDY, live

import loopledger
from loopledger.exchange.table import Row

PAGE = Path(__file__).parents[1] / "docs" / "exporting.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""

pytestmark = [pytest.mark.usefixtures("lent"), pytest.mark.skipif(not TEXT, reason="there are no docs here")]


def run(folder, name):
    (code,) = re.findall(rf"<!-- {name} -->\n```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path, clock):
    """Exports of a loop that has chosen evenly between three actions, one of which is always right."""
    with loopledger.open(":memory:", clock=clock) as ledger:
        loop = ledger.create("front-page", policy=GREEDY)
        live(loop, clock, count=600)
        loop.export(tmp_path / "front-page.csv", format="csv")
        loop.export(tmp_path / "front-page.jsonl", format="events")
    return tmp_path


def test_estimates_from_the_table(folder):
    code, said, complained = run(folder, "example")
    assert (code, complained) == (0, "")
    found = re.fullmatch(r"IPS (\S+) SNIPS (\S+) as it was (\S+)\n", said)
    ips, snips, was = map(float, found.groups())
    # Only music was ever rewarded, and it is not the first action.
    assert (ips, snips) == (0, 0)
    assert 0.1 < was < 0.4
    page = (folder / "front-page.csv").read_text()
    (folder / "front-page.csv").write_text(page.replace('""sports"",""politics"",""music""', '""music""'))
    ips, snips, _ = map(float, re.findall(r"\d\.\d+", run(folder, "example")[1]))
    # Two in three decisions were rewarded where music was shown, and it was shown half or a third of the time.
    assert ips == pytest.approx(2 / 3, abs=0.15)
    assert snips == pytest.approx(2 / 3, abs=0.1)


def test_the_chain_from_the_events(folder):
    assert run(folder, "chain") == (0, "", "")
    page = (folder / "front-page.jsonl").read_text()
    (folder / "front-page.jsonl").write_text(page.replace('"hour":3', '"hour":2', 1))
    assert "is not what was recorded" in run(folder, "chain")[2]


def test_the_columns_are_those_that_there_are():
    table = TEXT.partition("| column | meaning |")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines() if row for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(Row._fields)
