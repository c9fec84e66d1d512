"""docs/optimization.md: every command of its story, and what it says they print."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from loopledger.settings import settings_from

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "optimization.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the documents are not here")


def blocks(path, *languages):
    """Return the examples of a page in some languages, with their language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in languages]


@pytest.mark.slow
def test_the_story_runs_as_it_is_told(tmp_path, vw):
    if vw.engine != "vowpalwabbit 9.11.9 linux x86_64":
        pytest.skip(f"the story was written down with another engine than {vw.engine}")
    if (os.cpu_count() or 1) > 8:
        pytest.skip("with more than eight cores, waves are larger and the search is another one")
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(*words):
        done = subprocess.run(
            words, cwd=tmp_path, env=here, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return [" ".join(line.split()) for line in done.stdout.splitlines()]

    ((_, shop), *_) = blocks(DOCS / "evaluation.md", "python")
    (tmp_path / "shop.py").write_text(shop, "utf-8")
    run(sys.executable, "shop.py")
    said: list[str] = []
    told = 0
    for language, text in blocks(PAGE, "sh", "text"):
        if language == "sh":
            said = run("bash", "-euo", "pipefail", "-c", text)
            continue
        for line in text.splitlines():
            assert " ".join(line.split()) in said
            told += 1
    assert told > 6


def test_its_settings_can_be_set():
    ((_, text),) = blocks(PAGE, "toml")
    settings = settings_from(tomllib.loads(text)["settings"])
    assert settings.auto_optimization
    assert settings.auto_optimization_frequency == 7 * 86_400
