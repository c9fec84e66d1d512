import json
import shutil
import subprocess
from contextlib import ExitStack

import learned
import pytest
from click.testing import CliRunner
from serving import PROGRAM
from starlette.testclient import TestClient

import loopledger
from loopledger.adapters.cli.main import main
from loopledger.adapters.http.app import build_app
from loopledger.adapters.http.keys import create_key

SLOTS = loopledger.LearningPolicy("slots", "--ccb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 -q ::")
LATER = learned.START + 30 * 86_400 * 1_000_000


@pytest.fixture(autouse=True)
def _look_at_keys_each_time(monkeypatch):
    monkeypatch.setattr("loopledger.adapters.http.keys._PAUSE", 0.0)


class Served:
    """A server in this process, its loops, and a client with a key for each of them."""

    def __init__(self, folder, clock, client):
        self.folder, self.clock, self.client = folder, clock, client
        self.keys = {name: create_key(folder, name)[1] for name in ("news", "home")}

    def call(self, method, path, *, loop="news", json=None, content=None, key=None, headers=None, code=None):
        sent = {"Ocp-Apim-Subscription-Key": key or self.keys[loop], **(headers or {})}
        reply = self.client.request(
            method, f"http://testserver{path}", json=json, content=content, headers=sent
        )
        assert code is None or reply.status_code == code, (reply.status_code, reply.text)
        assert reply.status_code != 500, reply.text
        if reply.status_code == 204:
            assert not reply.content
        if reply.status_code >= 400:
            check_envelope(reply)
        return reply


def check_envelope(reply):
    error = reply.json()["error"]
    assert set(error) <= {"code", "message", "target", "details", "innerError"}
    assert error["code"]
    assert error["message"]
    for detail in error.get("details", ()):
        assert set(detail) == {"code", "message"}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A data folder with the loops `news`, which has learned, and `home`, which decides several slots."""
    folder = tmp_path_factory.mktemp("http") / "data"
    learned.make(folder)
    settings = loopledger.Settings(model_update_frequency=0)
    with loopledger.open(folder, clock=loopledger.SimulatedClock(LATER), workers=1) as ledger:
        ledger.create("home", policy=SLOTS, settings=settings)
    return folder


@pytest.fixture
def begin(made, tmp_path):
    """Begin to serve a data folder, by default a copy of the loops."""
    with ExitStack() as stack:

        def begin(folder=None, **more):
            folder = folder or shutil.copytree(made, tmp_path / "data")
            clock = loopledger.SimulatedClock(LATER)
            client = stack.enter_context(TestClient(build_app(folder, clock=clock, **more)))
            served = Served(folder, clock, client)
            served.close = stack.close
            return served

        yield begin


@pytest.fixture
def served(begin):
    return begin()


@pytest.fixture
def data(made, tmp_path):
    """A data folder of one's own, with the loop `news`."""
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def run():
    """Call the command line in this process."""

    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def key(data):
    """A key of the loop `news` in the data folder of one's own."""
    return create_key(data, "news")[1]


@pytest.fixture
def start(tmp_path):
    processes = []

    said = (tmp_path / "said").open("w")

    def start(data, *words):
        process = subprocess.Popen(
            [*PROGRAM, "--data", str(data), "-v", "serve", "--port", "0", "--json", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        processes.append(process)
        return process, json.loads(process.stdout.readline())["address"]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
    said.close()
