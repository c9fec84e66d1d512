"""The page for people who come from Personalizer: its commands run, in their order, on real files."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cooked import CB, DANGLING, ZIP, sample

PAGE = Path(__file__).parents[1] / "docs" / "from-personalizer.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""

pytestmark = pytest.mark.skipif(not TEXT, reason="the page is not around these tests")


@pytest.fixture
def folder(tmp_path):
    for name, original in (("model.zip", ZIP), ("cooked.json", CB), ("dangling.json", DANGLING)):
        shutil.copy(sample(original), tmp_path / name)
    policy = {"name": "exported", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}
    (tmp_path / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    (tmp_path / "settings.toml").write_text("reward_wait_time = 14400.0\n", encoding="utf-8")
    program = tmp_path / "bin" / "loopledger"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable} -Werror\nfrom loopledger.adapters.cli.main import main\nmain()\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_page_run_as_they_stand(folder):
    blocks = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    said = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        refuses = "--model" in block and "--trust" not in block
        assert done.returncode == (3 if refuses else 0), done.stderr
        said.append(done.stdout + done.stderr)
    everything = "\n".join(said)
    for part in (
        "--trust f29c84894cad",
        "20 of 25 lines",
        "exported: ",
        "decided elsewhere",
        "everything holds",
    ):
        assert part in everything
    # What the first call said to type is what the page says to type.
    (fingerprint,) = set(re.findall(r"--trust (\w+)", TEXT))
    assert fingerprint in said[0]


def test_its_python_runs_as_it_stands(folder):
    (block,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import loopledger\n{block}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "20 decisions, 0 lines left out\n", "")


def test_its_links_lead_somewhere():
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", TEXT)]
    assert targets
    assert all((PAGE.parent / target).exists() for target in targets)
