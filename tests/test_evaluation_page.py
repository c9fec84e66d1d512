"""docs/evaluation.md: every command of its story, and what it says they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loopledger.log.evaluation_events import EvaluationEnded, EvaluationReported, EvaluationRequested

PAGE = Path(__file__).parents[1] / "docs" / "evaluation.md"
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the documents are not here")


@pytest.mark.slow
def test_the_story_runs_as_it_is_told(tmp_path, vw):
    if vw.engine != "vowpalwabbit 9.11.9 linux x86_64":
        pytest.skip(f"the story was written down with another engine than {vw.engine}")
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    said: list[str] = []
    told = 0
    for language, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if language == "python":
            (tmp_path / "shop.py").write_text(text, "utf-8")
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=tmp_path, env=here, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            said = [" ".join(line.split()) for line in done.stdout.splitlines()]
        else:
            for line in text.splitlines():
                assert " ".join(line.split()) in said
                told += 1
    assert told > 8


def test_it_names_the_events_that_there_are():
    page = PAGE.read_text("utf-8")
    for event in (EvaluationRequested, EvaluationReported, EvaluationEnded):
        assert f"`{event.__name__}`" in page
