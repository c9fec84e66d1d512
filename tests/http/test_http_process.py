"""A server in a process of its own: ready, over http and https, and ended by SIGTERM."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx2
import learned
import pytest
from click.testing import CliRunner
from quick import slow_but
from serving import PROGRAM

from loopledger.adapters.cli.main import main
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.http.app import build_app
from loopledger.adapters.http.keys import create_key
from loopledger.adapters.http.serving import Place, Times, serve
from loopledger.adapters.model_signer import _made

pytestmark = pytest.mark.slow

RANK = {"actions": [{"id": "a", "features": [{"secret-feature": 1}]}, {"id": "b", "features": []}]}


def certificate(folder):
    """Return a file with a key and a certificate that it signed itself."""
    file = folder / "tls.pem"
    file.write_bytes(_made(datetime(2026, 1, 1, tzinfo=UTC)))
    return file


@pytest.mark.parametrize("secure", [False, True])
def test_it_serves_until_it_is_ended_and_loses_nothing(start, tmp_path, secure):
    data = tmp_path / "data"
    with Ledger(data) as ledger:
        ledger.create("news")
    key = create_key(data, "news")[1]
    pem = certificate(tmp_path) if secure else None
    process, address = start(data, *(("--certificate", pem, "--private-key", pem) if secure else ()))
    assert address.startswith("https:" if secure else "http:")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    headers = {"Ocp-Apim-Subscription-Key": key}
    with httpx2.Client(base_url=address, headers=headers, verify=trusting) as client:
        assert client.get("/health").json() == {"status": "ready"}
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(lambda _: client.post("/personalizer/v1.0/rank", json=RANK), range(64))
            )
        assert {answer.status_code for answer in answers} == {201}
        path = "/personalizer/v1.0/events/a%2Fb%20c/reward"
        assert client.post(path, json={"value": 1}).status_code == 204
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    said = (tmp_path / "said").read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    ranks = [line for line in lines if line.get("operation") == "Rank"]
    assert len(ranks) == 64
    assert {(line["loop"], line["status"], line["event"]) for line in ranks} == {("news", 201, "answered")}
    assert len({line["request"] for line in ranks}) == 64
    assert key not in said
    assert "secret-feature" not in said
    with Ledger(data) as ledger:
        loop = ledger.loop("news")
        assert loop.status().counts["Ranked"] == 64
        assert [entry.kind for entry in loop.log(event_id="a/b c")] == ["Rewarded"]
        assert loop.verify().holds


@pytest.mark.faults
def test_it_is_killed_and_goes_on(start, tmp_path):
    data = tmp_path / "data"
    with Ledger(data) as ledger:
        ledger.create("news")
    headers = {"Ocp-Apim-Subscription-Key": create_key(data, "news")[1]}
    answered = []
    for _ in range(2):
        process, address = start(data)
        with httpx2.Client(base_url=address, headers=headers) as client:
            answered += [
                client.post("/personalizer/v1.0/rank", json=RANK).json()["eventId"] for _ in range(5)
            ]
            process.kill()
            process.wait()
    with Ledger(data) as ledger:
        loop = ledger.loop("news")
        assert [entry.event_id for entry in loop.log(kinds=["Ranked"])] == answered
        assert loop.verify().holds


@pytest.mark.parametrize("with_json", [False, True])
def test_without_any_loop_it_serves_and_says_how_to_make_one(tmp_path, with_json):
    words = [*PROGRAM, "--data", "nodir", "serve", "--port", "0", *(["--json"] if with_json else [])]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        said = server.stdout.readline()
        address = json.loads(said)["address"] if with_json else said.split()[-1]
        assert httpx2.get(f"{address}/health").json() == {"status": "ready"}
        server.terminate()
        rest, complaints = server.communicate(timeout=30)
    assert (server.returncode, rest) == (0, "")
    (told,) = map(json.loads, complaints.splitlines())
    assert told["event"].startswith("there is no loop in nodir yet: `loopledger create` makes one")


def test_what_cannot_be_served_is_a_sentence(run, data):
    assert "go together" in run("--data", data, "serve", "--certificate", __file__, code=2).output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = run("--data", data, "serve", "--port", port, code=3).output
        assert said.startswith("loopledger: --port: is in use")
        assert "Errno" not in said
    said = run("--data", data, "serve", "--port", 0, "--host", "999.1.1.1", code=3).output
    assert said.startswith("loopledger: --host: is no address of this machine")


@pytest.mark.parametrize(
    ("certified", "keyed", "says"),
    [
        ("key.pem", "certificate.pem", "--certificate: this file holds no certificate in PEM"),
        ("certificate.pem", "certificate.pem", "--private-key: this file holds no private key in PEM"),
        ("certificate.pem", "other.pem", "--private-key: is not the key of the certificate"),
        ("certificate.pem", "locked.pem", "--private-key: the certificate and this key cannot be used"),
        ("certificate.pem", "torn.pem", "--private-key: the certificate and this key cannot be used"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_a_sentence(run, data, tmp_path, certified, keyed, says):
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    both = certificate(tmp_path).read_bytes()
    other = certificate(tmp_path).read_bytes()
    key, _, rest = both.partition(b"-----BEGIN CERTIFICATE-----")
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    files = {
        "certificate.pem": b"-----BEGIN CERTIFICATE-----" + rest,
        "key.pem": key,
        "other.pem": other.partition(b"-----BEGIN CERTIFICATE-----")[0],
        "locked.pem": locked,
        "torn.pem": key[:200] + key[-40:],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    words = ("--certificate", tmp_path / certified, "--private-key", tmp_path / keyed)
    said = run("--data", data, "serve", "--port", 0, *words, code=3).output
    assert said.startswith(f"loopledger: {says}")
    assert "_ssl.c" not in said


@pytest.mark.parametrize("place", slow_but({"file/folder"}, ["file/folder", "/proc/nowhere", "/dev/null"]))
def test_a_data_folder_that_cannot_be_is_a_sentence(tmp_path, place):
    (tmp_path / "file").touch()
    words = [*PROGRAM, "--data", place, "serve", "--port", "0"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode in {2, 3}
    assert not ended.stdout
    said = ended.stderr.splitlines()
    assert "folder" in said[-1] or "directory" in said[-1]
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_data_folder_that_cannot_be_written_is_a_sentence(run, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be the data folder" in run("--data", tmp_path, "serve", "--port", 0, code=3).output


@pytest.mark.faults
def test_what_is_under_way_when_it_is_ended_is_answered(start, data, key):
    process, address = start(data)
    headers = {"Ocp-Apim-Subscription-Key": key}
    answered, refused = [], []
    begun = threading.Barrier(9)

    def ask(number):
        with httpx2.Client(base_url=address, headers=headers) as client:
            client.post("/personalizer/v1.0/rank", json=RANK)
            begun.wait()
            for at in range(2000):
                event_id = f"{number}-{at}"
                try:
                    answer = client.post("/personalizer/v1.0/rank", json={**RANK, "eventId": event_id})
                except httpx2.TransportError:
                    return  # its next request came too late
                (answered if answer.status_code == 201 else refused).append(event_id)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    begun.wait()
    while len(answered) < 40:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    for thread in threads:
        thread.join()
    assert not refused
    assert len(answered) < 8 * 2000
    with Ledger(data) as ledger:
        loop = ledger.loop("news")
        logged = {entry.event_id for entry in loop.log(kinds=["Ranked"])}
        assert set(answered) <= logged
        assert loop.verify().holds


@pytest.mark.faults
def test_what_does_not_end_is_not_waited_for_at_the_end(start, data, key, tmp_path):
    process, address = start(data, "--grace", 1)
    host, port = address.removeprefix("http://").split(":")
    head = f"POST /personalizer/v1.0/rank HTTP/1.1\r\nHost: here\r\nOcp-Apim-Subscription-Key: {key}\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as slow:
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        while (
            b'"Model_Reset"' not in (tmp_path / "said").read_bytes()
        ):  # by then the server has read the head
            httpx2.delete(f"{address}/personalizer/v1.0/model", headers={"Ocp-Apim-Subscription-Key": key})
        process.send_signal(signal.SIGTERM)
        answer = b""
        while part := slow.recv(65_536):
            answer += part
    assert process.wait(60) == 0
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"the server is ending" in answer
    assert "Traceback" not in (tmp_path / "said").read_text()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("with_signal", "why"),
    [
        pytest.param(
            signal.SIGTERM,
            "the server was stopped before it was done; ask for it again",
            marks=pytest.mark.slow,
        ),
        (signal.SIGKILL, "the process that computed it ended before it was done; ask for it again"),
    ],
)
def test_evaluations_that_it_did_not_finish_have_failed(start, tmp_path, with_signal, why):
    data = tmp_path / "data"
    learned.make(data)
    headers = {"Ocp-Apim-Subscription-Key": create_key(data, "news")[1]}
    arguments = "--cb_explore_adf --epsilon 0.1 -q ::"
    contract = {
        "name": "long",
        "startTime": "2026-01-01",
        "endTime": "2026-02-01",
        "policies": [{"name": f"p{number}", "arguments": arguments} for number in range(10)],
    }
    path = "/personalizer/v1.1-preview.3/evaluations"
    process, address = start(data)
    with httpx2.Client(base_url=address, headers=headers) as client:
        asked = [client.post(path, json=contract).json() for _ in range(6)]
        assert {one["status"] for one in asked} == {"pending", "notSubmitted"}
    process.send_signal(with_signal)
    assert process.wait(60) == (0 if with_signal == signal.SIGTERM else -signal.SIGKILL)
    if with_signal == signal.SIGTERM:
        assert len(ended(data)) == len(asked)
    process, address = start(data)
    with httpx2.Client(base_url=address, headers=headers) as client:
        statuses = {one["id"]: one["status"] for one in client.get(path).json()}
    # The first ones may have been quick; the last one never had its turn.
    assert statuses[asked[-1]["id"]] == "failed"
    assert ended(data) == {
        one["id"]: {"failed": why, "completed": None}[statuses[one["id"]]] for one in asked
    }
    result = CliRunner().invoke(main, ["--data", str(data), "verify", "news"])
    assert result.exit_code == 0, result.output


def ended(data):
    """Return the evaluations that have ended, by the log on the disk, and why."""
    result = CliRunner().invoke(main, ["--data", str(data), "log", "news", "--json"])
    events = [json.loads(line) for line in result.stdout.splitlines()]
    bodies = [event["body"] for event in events if event["kind"] == "EvaluationEnded"]
    return {body["evaluation"]: body["reason"] for body in bodies}


def test_threads_that_compute_do_not_hold_up_answers_for_long(tmp_path):
    usual = sys.getswitchinterval()
    served = []

    def ready(_):
        served.append(sys.getswitchinterval())
        signal.raise_signal(signal.SIGTERM)

    serve(build_app(tmp_path), Place("127.0.0.1", 0), Times(1, 5), ready)
    assert served[0] < usual
    assert sys.getswitchinterval() == usual
