"""Keys: two for each loop, kept as hashes, and replaced while a server runs."""

import json
import threading

import pytest

from loopledger.adapters.http.keys import Keys, create_key, list_keys, revoke_key
from loopledger.errors import Conflict, InvalidRequest, LoopledgerError, NotFound

POLICY = "/personalizer/v1.0/configurations/policy"


def test_only_hashes_are_kept_and_only_the_owner_may_read_them(tmp_path):
    name, key = create_key(tmp_path, "news")
    assert name == "key1"
    assert len(key) >= 43
    assert Keys(tmp_path).loop(key) == "news"
    assert Keys(tmp_path).loop(key + "x") is None
    assert Keys(tmp_path).loop("") is None
    assert Keys(tmp_path).loop("\udc80") is None
    file = tmp_path / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert key not in file.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"keys.json", "keys.lock"}


def test_a_key_is_replaced_while_the_other_works(tmp_path):
    keys = Keys(tmp_path)
    _, first = create_key(tmp_path, "news")
    _, second = create_key(tmp_path, "news")
    with pytest.raises(Conflict):
        create_key(tmp_path, "news")
    with pytest.raises(InvalidRequest):
        create_key(tmp_path, "news", "key3")
    assert (keys.loop(first), keys.loop(second)) == ("news", "news")
    name, third = create_key(tmp_path, "news", "key1")
    assert name == "key1"
    assert [keys.loop(key) for key in (first, second, third)] == [None, "news", "news"]
    revoke_key(tmp_path, "news", "key2")
    assert list_keys(tmp_path) == [("news", "key1")]
    assert create_key(tmp_path, "news")[0] == "key2"
    with pytest.raises(NotFound):
        revoke_key(tmp_path, "gnus", "key1")


def test_who_makes_keys_at_the_same_time_loses_none(tmp_path):
    made = {}
    threads = [
        threading.Thread(target=lambda n=n: made.update({n: create_key(tmp_path, f"loop-{n}")[1]}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = Keys(tmp_path)
    assert {keys.loop(key) for key in made.values()} == {f"loop-{n}" for n in range(8)}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"news": "key"}', b"\xff"])
def test_a_file_of_keys_that_cannot_be_read_opens_nothing(tmp_path, content):
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(LoopledgerError, match=r"keys\.json cannot be read"):
        Keys(tmp_path).loop("x")
    with pytest.raises(LoopledgerError):
        create_key(tmp_path, "news")


def test_a_running_server_notices(served):
    served.call("GET", POLICY, code=200)
    old = served.keys["news"]
    revoke_key(served.folder, "news", "key1")
    served.call("GET", POLICY, key=old, code=401)
    new = create_key(served.folder, "news")[1]
    served.call("GET", POLICY, key=new, code=200)
    (served.folder / "keys.json").unlink()
    served.call("GET", POLICY, key=new, code=401)


def test_the_command_line(run, data):
    made = json.loads(run("--data", data, "keys", "create", "news", "--json").stdout)
    assert set(made) == {"loop", "name", "key"}
    second = run("--data", data, "keys", "create", "news").stdout.strip()
    assert {Keys(data).loop(key) for key in (made["key"], second.splitlines()[0])} == {"news"}
    assert "--name" in run("--data", data, "keys", "create", "news", code=3).output
    replaced = json.loads(run("--data", data, "keys", "create", "news", "--name", "key1", "--json").stdout)
    assert replaced["name"] == "key1"
    assert Keys(data).loop(made["key"]) is None
    listed = json.loads(run("--data", data, "keys", "list", "--json").stdout)
    assert listed == [{"loop": "news", "name": "key1"}, {"loop": "news", "name": "key2"}]
    assert run("--data", data, "keys", "list", "news").stdout == "loop\tname\nnews\tkey1\nnews\tkey2\n"
    assert "revoked key2" in run("--data", data, "keys", "revoke", "news", "key2").stdout
    run("--data", data, "keys", "revoke", "news", "key2", code=3)
    assert "no loop 'gnus'" in run("--data", data, "keys", "create", "gnus", code=3).output
