"""The container's files, as far as can be seen without building one."""

import json
import re
from pathlib import Path

import pytest

from loopledger.adapters.cli.main import main
from loopledger.adapters.http.config import ENVIRONMENT, configure

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "Dockerfile").is_file(), reason="there is no Dockerfile around these tests"
)


def instructions(name):
    """Return what follows each instruction of this name."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", text, re.MULTILINE)


def test_what_it_starts_is_a_command_with_options_that_there_are():
    (line,) = instructions("CMD")
    program, *words = json.loads(line)
    assert program == "loopledger"
    context = main.make_context("loopledger", words)
    assert context.params["data"] == Path("/data")
    name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
    assert name == "serve"
    assert command.make_context(name, rest, parent=context).params["host"] == "0.0.0.0"


def test_it_copies_all_that_the_package_is_made_of():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    copied = {Path(word) for line in instructions("COPY") for word in line.split()[:-1]}
    assert all((ROOT / path).exists() for path in copied)
    folders = {Path(folder).parts[0] for folder in project["tool"]["setuptools"]["package-dir"].values()}
    assert {Path(name) for name in (*folders, "pyproject.toml", "README.md", "LICENSE")} == copied
    (installed,) = re.findall(r"\[([a-z,]+)\]'", " ".join(instructions("RUN")))
    assert set(installed.split(",")) <= set(project["project"]["optional-dependencies"])


def test_it_is_not_root_and_its_health_is_asked_for():
    assert instructions("USER") == ["loopledger"]
    assert instructions("VOLUME") == ["/data"]
    (check,) = instructions("HEALTHCHECK")
    program, option, script = json.loads(check[check.index("[") :])
    assert (program, option) == ("python", "-c")
    compile(script, "HEALTHCHECK", "exec")
    assert f"127.0.0.1:{configure(None, {}, {}).server.port}/health" in script
    assert instructions("EXPOSE") == [str(configure(None, {}, {}).server.port)]


def test_compose_sets_what_can_be_set():
    text = (ROOT / "compose.yaml").read_text("utf-8")
    found = dict(re.findall(r'^ +(LOOPLEDGER_\w+): "(.*)"$', text, re.MULTILINE))
    assert found
    assert set(found) <= set(ENVIRONMENT)
    configure(None, found, {})


def test_compose_is_yaml():
    yaml = pytest.importorskip("yaml")
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    (service,) = compose["services"].values()
    assert service["volumes"] == [f"{volume}:/data" for volume in compose["volumes"]]
    grace = configure(None, service["environment"], {}).server.grace
    assert float(service["stop_grace_period"].removesuffix("s")) > grace
