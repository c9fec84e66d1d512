"""A server whose disks fail, or that is killed: one loop's trouble is its own, and who asks again gets the same."""

import errno
import json
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import faulty
import httpx2
import pytest

import loopledger
from loopledger.adapters.http.keys import create_key

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, "-W", "error", "-c", "from loopledger.adapters.cli.main import main; main()")
RANK = "/personalizer/v1.0/rank"
SAID = {
    "ENOSPC": ("database or disk is full", "No space left"),
    "EIO": ("disk I/O error", "Input/output error"),
}
SETTINGS = loopledger.Settings(model_update_frequency=0)


def request(number):
    actions = [{"id": name, "features": [{"x": at}]} for at, name in enumerate("abc")]
    return {"eventId": f"event-{number}", "contextFeatures": [{"hour": number}], "actions": actions}


class Server:
    """A server in a process of its own, and a client for each loop."""

    def __init__(self, process, keys):
        self.process = process
        self._address = json.loads(process.stdout.readline())["address"]
        self._clients = {
            name: httpx2.Client(
                base_url=self._address, headers={"Ocp-Apim-Subscription-Key": key}, timeout=60
            )
            for name, key in keys.items()
        }

    def rank(self, loop, number, **more):
        return self._clients[loop].post(RANK, json=request(number), **more)

    def reward(self, loop, number):
        path = f"/personalizer/v1.0/events/event-{number}/reward"
        return self._clients[loop].post(path, json={"value": 1}).status_code

    def close(self):
        for client in self._clients.values():
            client.close()


@pytest.fixture
def served(tmp_path):
    """Return a data folder with two loops, and what begins a server for it."""
    data = tmp_path / "data"
    with loopledger.open(data, workers=1) as ledger:
        for name in ("unlucky", "lucky"):
            ledger.create(name, settings=SETTINGS)
    keys = {name: create_key(data, name)[1] for name in ("unlucky", "lucky")}

    @contextmanager
    def begin(**more):
        process = subprocess.Popen(
            [*PROGRAM, "--data", str(data), "serve", "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            **more,
        )
        server = Server(process, keys)
        try:
            yield server
        finally:
            server.close()
            process.kill()
            process.wait()
            process.stdout.close()

    return data, begin


def answered(data, name):
    with loopledger.open(data, workers=1) as ledger:
        loop = ledger.loop(name)
        assert loop.verify().holds
        return {entry.event_id for entry in loop.log(kinds=["Ranked"])}


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_one_loops_disk_is_that_loops_alone(tmp_path, served, disk, error):
    data, begin = served
    switch = tmp_path / "switch"
    told = f"{getattr(errno, error)}:/unlucky/:{switch}"
    with begin(env=faulty.environment(disk, FAULTY_DISK=told)) as server:
        assert server.rank("unlucky", 0).status_code == server.rank("lucky", 0).status_code == 201
        switch.touch()
        for number in range(1, 4):
            refused = server.rank("unlucky", number)
            assert refused.status_code == 503, refused.text
            said = refused.json()["error"]["details"][0]["message"]
            assert any(words in said for words in SAID[error])
            assert server.rank("lucky", number).status_code == 201
            assert server.reward("lucky", number) == 204
        switch.unlink()
        assert [server.rank("unlucky", number).status_code for number in range(3)] == [201] * 3
        assert server.reward("unlucky", 0) == 204
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    assert answered(data, "unlucky") == {f"event-{number}" for number in range(3)}
    assert answered(data, "lucky") == {f"event-{number}" for number in range(4)}


def test_who_asks_again_after_a_crash_gets_the_same_bytes(served):
    data, begin = served
    before = {}
    for _ in range(2):
        with begin() as server:
            for number in range(len(before) + 2):
                # Once without waiting for the answer, and over again.
                with suppress(httpx2.TimeoutException):
                    server.rank("lucky", number, timeout=0.0001)
                answer = server.rank("lucky", number)
                assert answer.status_code == 201
                assert before.setdefault(number, answer.content) == answer.content
            server.process.kill()
            assert server.process.wait(60) == -9
    assert answered(data, "lucky") == {f"event-{number}" for number in before}
