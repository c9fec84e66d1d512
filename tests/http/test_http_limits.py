"""Limits on size and time, and bodies that are packed or marked."""

import gzip
import json
import socket
import time

import pytest
from test_http_deciding import events

V1 = "/personalizer/v1.0"
RANK = {"eventId": "e", "contextFeatures": [{"hour": 3}], "actions": [{"id": "a", "features": [{"x": 1}]}]}
BODY = json.dumps(RANK).encode()
BOM = b"\xef\xbb\xbf"


def packed(served, body, code, encoding="gzip"):
    headers = {"Content-Encoding": encoding}
    return served.call("POST", f"{V1}/rank", content=body, headers=headers, code=code)


def test_a_body_may_be_packed(served):
    answer = packed(served, gzip.compress(BODY), 201).json()
    assert answer == served.call("POST", f"{V1}/rank", content=BODY, code=201).json()
    packed(served, gzip.compress(BOM + BODY), 201, "x-gzip")
    packed(served, BODY, 201, "Identity")
    assert [entry.kind for entry in events(served, event_id="e")] == ["Ranked"]


@pytest.mark.parametrize(
    "body",
    [BODY, gzip.compress(BODY)[:-9], b"", gzip.compress(b"")],
    ids=["not packed", "cut off", "empty", "nothing packed"],
)
def test_what_is_not_packed_as_it_says_is_refused(served, body):
    packed(served, body, 400)
    assert not events(served, event_id="e")


def test_what_is_packed_may_not_hold_more_than_what_is_not(served):
    error = packed(served, gzip.compress(b" " * 9_000_000 + BODY), 413).json()["error"]
    assert error["code"] == "PayloadSizeExceeded"
    assert "8,388,608" in error["details"][0]["message"]


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip"])
def test_other_ways_to_pack_are_refused_with_the_one_that_is_understood(served, encoding):
    answer = packed(served, BODY, 415, encoding)
    assert answer.headers["accept-encoding"] == "gzip"
    assert "gzip" in answer.json()["error"]["details"][0]["message"]


def test_a_byte_order_mark_is_passed_over(served):
    served.call("POST", f"{V1}/rank", content=BOM + BODY, code=201)
    served.call("POST", f"{V1}/events/e/reward", content=BOM + b'{"value": 1}', code=204)
    policy = served.call("GET", f"{V1}/configurations/policy").content
    served.call("PUT", f"{V1}/configurations/policy", content=BOM + policy, code=200)
    served.call("POST", f"{V1}/rank", content=BOM + BOM + BODY, code=400)


@pytest.mark.slow
def test_a_loop_that_does_not_answer_is_not_waited_for(served):
    gateway = served.client.app.gateway
    path, slots = f"{V1}/rank", {"slots": [{"id": "s", "baselineAction": "a"}]}
    served.call("POST", path, json={**RANK, "eventId": "before"}, code=201)
    served.call("GET", f"{V1}/configurations/policy", loop="home", code=200)
    session = gateway._ledger.ledger.directory.opened("news")
    with session.inbox._desk.turn:  # as if its disk hung
        gateway._patience, patience = 0.01, gateway._patience
        answer = served.call("POST", path, content=BODY, code=503)
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "OperationNotAllowed"
        gateway._patience = patience
        other = "/personalizer/v1.1-preview.3/multislot/rank"
        served.call("POST", other, loop="home", json={**RANK, **slots}, code=201)
    assert served.call("POST", path, content=BODY, code=201).json()["eventId"] == "e"
    assert [entry.kind for entry in events(served, event_id="e")] == ["Ranked"]


@pytest.fixture
def impatient(start, data):
    """Connect to a server that waits for half a second, in a process of its own."""
    _, address = start(data, "--patience", 0.5)
    host, port = address.removeprefix("http://").split(":")
    connections = []

    def connect():
        connections.append(socket.create_connection((host, int(port)), timeout=30))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def read(connection):
    """Return everything until the server closes the connection."""
    found = b""
    while part := connection.recv(65_536):
        found += part
    return found


def head(key, length):
    lines = [
        f"POST {V1}/rank HTTP/1.1",
        "Host: here",
        f"Ocp-Apim-Subscription-Key: {key}",
        "Connection: close",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_request_that_does_not_come_is_not_waited_for(impatient, key):
    silent, slow_head, slow_body, dripping = (impatient() for _ in range(4))
    slow_head.sendall(head(key, 9)[:40])
    slow_body.sendall(head(key, len(BODY)) + BODY[:10])
    dripping.sendall(head(key, 10_000))
    for _ in range(20):
        time.sleep(0.05)
        try:
            dripping.sendall(b" ")
        except OSError:
            break
    assert read(silent) == b""
    assert read(slow_head).startswith(b"HTTP/1.1 408 ")
    for connection in (slow_body, dripping):
        answer = read(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"retry-after: 1\r\n" in answer
        assert b'"RequestTimeout"' in answer


@pytest.mark.slow
def test_what_comes_slowly_but_comes_is_waited_for(impatient, key):
    connection = impatient()
    whole = BODY + b" " * 200_000
    sent = head(key, len(whole)) + whole
    for at in range(0, len(sent), 40_000):
        connection.sendall(sent[at : at + 40_000])
        time.sleep(0.2)
    assert read(connection).startswith(b"HTTP/1.1 201 ")


def test_a_head_without_end_is_refused(impatient):
    connection = impatient()
    connection.sendall(b"GET /health HTTP/1.1\r\n")
    lines = b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20_000))
    with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe, as it happens
        connection.sendall(lines)


@pytest.mark.slow
def test_a_connection_is_good_for_more_than_one_request(impatient):
    connection = impatient()
    request = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n"
    for _ in range(4):
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b'{"status":"ready"}'):
            answer += connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        time.sleep(0.3)
