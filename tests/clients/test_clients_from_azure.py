"""The page for people who come from Azure: a new user's way from start to end, with a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cooked import CB, ZIP, sample
from faces import HERE, no_node
from served import free_port, self_signed

PAGE = Path(__file__).parents[2] / "docs" / "from-azure.md"
TEXT = PAGE.read_text("utf-8") if PAGE.is_file() else ""

pytestmark = pytest.mark.skipif(not TEXT, reason="the page is not around these tests")


@pytest.fixture
def folder(tmp_path):
    shutil.copy(sample(ZIP), tmp_path / "model.zip")
    shutil.copy(sample(CB), tmp_path / "cooked.json")
    policy = {"name": "exported", "arguments": "--cb_explore_adf --epsilon 0.1 --cb_type mtr -q ::"}
    (tmp_path / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("python", ""), ("loopledger", "-m loopledger")):
        # A link to this Python would be a Python without what is installed here.
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -W error {words} "$@"\n', "utf-8")
        (programs / name).chmod(0o755)
    return tmp_path


def run(folder, script, **environment):
    """Run a script and what it leaves running; return its exit code and all that was said."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            "bash",
            "-e",
            "-o",
            "pipefail",
            "-c",
            f"trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}",
        ],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def page(port):
    return TEXT.replace("8765", str(port))


def program(text, name, language):
    (code,) = re.findall(rf"<!-- {name} -->\n```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return code


@pytest.mark.slow
def test_a_new_users_way(folder):
    pytest.importorskip("azure.cognitiveservices.personalizer")
    pytest.importorskip("starlette")
    if shutil.which("curl") is None:
        pytest.skip("curl is not on this machine")
    text = page(free_port())
    for name, language in (("shop.py", "python"), ("shop.js", "js")):
        (folder / name).write_text(program(text, name, language), encoding="utf-8")
    blocks = re.findall(r"(<!-- node -->\n)?^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    node = no_node() is None
    script = "".join(block for needs_node, block in blocks if node or not needs_node)
    code, said, complained = run(folder, script, NODE_PATH=str(HERE / "node_modules"))
    assert code == 0, complained + said
    assert len(re.findall(r"show (?:pasta|juice)$", said, re.MULTILINE)) == 1 + node
    for part in (
        "exported: ",
        "20 of 20 lines",
        "answers now",
        '"rewardActionId"',
        "visit/1",
        "everything holds",
    ):
        assert part in said, said
    assert "Traceback" not in complained


def test_the_fingerprint_is_that_of_the_other_page():
    other = (PAGE.parent / "from-personalizer.md").read_text("utf-8")
    (fingerprint,) = set(re.findall(r"--trust (\w{64})", TEXT))
    assert fingerprint in other


@pytest.mark.slow
def test_the_ways_to_trust_a_certificate_are_those_that_work(folder, https, new_loop):
    """The options are used by all other tests; here are the environment variables and curl."""
    _, key = new_loop(https)
    text = page(https.port).replace("http://", "https://")
    (folder / "shop.py").write_text(program(text, "shop.py", "python"), encoding="utf-8")
    wrong = self_signed(folder).certificate
    for variable, certificate, works in (
        ("REQUESTS_CA_BUNDLE", https.certificate, True),
        ("REQUESTS_CA_BUNDLE", str(wrong), False),
    ):
        code, said, _ = run(folder, "python shop.py", PERSONALIZER_KEY=key, **{variable: certificate})
        assert (code == 0) == works
        assert ("show" in said) == works
    curl = f"curl --silent --fail --cacert {https.certificate} {https.endpoint}/health"
    assert run(folder, curl)[0] == 0
    assert run(folder, curl.replace(https.certificate, str(wrong)))[0] != 0


def test_its_links_lead_somewhere():
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", TEXT)]
    assert targets
    assert all((PAGE.parent / target).exists() for target in targets)
