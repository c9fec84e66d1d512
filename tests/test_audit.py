"""docs/audit.md, from complaint to cure: every command of its story, and what it says they print."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "audit.md"
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks():
    story = PAGE.read_text("utf-8").partition("## Question by question")[0]
    return BLOCK.findall(story)


def plain(line):
    return " ".join(line.split())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("sklearn") is None, reason="the demonstration needs scikit-learn")
@pytest.mark.skipif(not PAGE.exists(), reason="the documents are not here")
def test_the_story_runs_as_it_is_told(tmp_path, vw):
    if vw.engine != "vowpalwabbit 9.11.9 linux x86_64":
        pytest.skip(f"the story was written down with another engine than {vw.engine}")
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    said: list[str] = []
    told = 0
    for language, text in blocks():
        if language == "python":
            (tmp_path / "kiosk.py").write_text(text, "utf-8")
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=tmp_path, env=here, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            said = [plain(line) for line in done.stdout.splitlines()]
        else:
            for line in text.splitlines():
                assert plain(line) in said
                told += 1
    assert told > 10
