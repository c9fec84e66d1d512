"""Which keys open a loop, and how a client may show them."""

import time

import pytest
from faces import Refused
from wishes import rank


class Token:
    """A credential as azure-identity has them, whose token is a loop's key."""

    def __init__(self, key):
        self._key = key

    def get_token(self, *_, **__):
        from azure.core.credentials import AccessToken

        return AccessToken(self._key, int(time.monotonic()) + 2_000_000_000)


def test_a_key_as_a_bearer_token(administrator, https, connect, new_loop):
    name, key = new_loop(https)
    more = {"credential": Token(key)} if administrator == "ai (PyPI)" else {"token": key}
    face = connect(administrator, https, "", **more)
    answer = face.rank(rank(eventId="bearer"))
    face.reward("bearer", 1)
    assert answer["eventId"] == "bearer"
    assert face.configuration()["learningMode"] == "Online"
    assert len(https.log(name, "Rewarded")) == 1


def test_a_bearer_token_that_is_no_key(administrator, https, connect, new_loop):
    new_loop(https)
    more = {"credential": Token("nothing")} if administrator == "ai (PyPI)" else {"token": "nothing"}
    with pytest.raises(Refused) as refused:
        connect(administrator, https, "", **more).rank(rank())
    assert refused.value.status == 401


def test_either_of_two_keys_is_replaced_while_the_other_works(client, server, connect, new_loop):
    name, first = new_loop(server)
    (second,) = server.command("keys", "create", name, "--json")
    assert second["loop"] == name
    assert second["key"] != first
    (listed,) = [
        line if isinstance(line, list) else [line] for line in server.command("keys", "list", name, "--json")
    ]
    names = {key["name"] for key in listed}
    assert len(names) == 2
    old, new = (connect(client, server, key) for key in (first, second["key"]))
    for face in (old, new):
        assert face.rank(rank())["rewardActionId"]
    (name_of_first,) = names - {second["name"]}
    server.command("keys", "revoke", name, name_of_first, "--json")
    with pytest.raises(Refused) as refused:
        old.rank(rank())
    assert refused.value.status == 401
    assert new.rank(rank())["rewardActionId"]
    third = connect(client, server, server.key(name))
    assert third.rank(rank())["rewardActionId"]


def test_health_needs_no_key_and_everything_else_does(server):
    assert server.get("/health")[0] == 200
    for path in (
        "/personalizer/v1.0/configurations/service",
        "/personalizer/v1.0/model",
        "/loops/x/personalizer/v1.0/model",
    ):
        status, _, body = server.get(path)
        assert status == 401
        assert b'"error"' in body


def test_keys_are_not_kept(server, new_loop):
    _, key = new_loop(server)
    for path in server.data.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path
    assert key not in server.said()
