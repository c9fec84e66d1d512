import json

import pytest


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.delenv("LOOPLEDGER_CONFIG", raising=False)


def test_every_value_and_where_it_comes_from(run, here):
    (here / "server.toml").write_text("[server]\nport = 1\ngrace = 5\n", encoding="utf-8")
    environment = {"LOOPLEDGER_SERVER_GRACE": "7", "LOOPLEDGER_DATA": "set"}
    rows = run("config", "check", "server.toml", env=environment).stdout.splitlines()
    assert rows[0] == "name\tvalue\tfrom"
    assert "data\tset\tLOOPLEDGER_DATA" in rows
    assert "port\t1\tserver.toml: server.port" in rows
    assert "grace\t7.0\tLOOPLEDGER_SERVER_GRACE" in rows
    assert "host\t127.0.0.1\tdefault" in rows
    assert "data\ttyped\t--data" in run("--data", "typed", "config", "check").stdout.splitlines()
    said = json.loads(run("config", "check", "--json", env={"LOOPLEDGER_CONFIG": "server.toml"}).stdout)
    values = {one["name"]: (one["value"], one["origin"]) for one in said["values"]}
    assert values["port"] == (1, "server.toml: server.port")
    assert values["certificate"] == (None, "default")
    assert said["mistakes"] == []


def test_a_sentence_for_every_mistake(run, here):
    (here / "server.toml").write_text("[server]\nport = -1\ngrcae = 5\n", encoding="utf-8")
    result = run("config", "check", "server.toml", code=3)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "loopledger: server.toml: server: there is no 'grcae'; did you mean grace?",
        "loopledger: server.toml: server.port: must be a whole number from 0 to 65535",
    ]
    said = json.loads(run("config", "check", "server.toml", "--json", code=3).stdout)
    assert said["values"] == []
    assert said["mistakes"][1] == {
        "origin": "server.toml: server.port",
        "problem": "must be a whole number from 0 to 65535",
    }
    assert "no.toml: No such file" in run("config", "check", "no.toml", code=3).output


def test_one_file_is_for_loops_and_server_alike(run, here):
    text = "[server]\nport = 1\n\n[settings]\nreward_wait_time = 30.0\n"
    (here / "both.toml").write_text(text, encoding="utf-8")
    run("config", "check", "both.toml")
    made = json.loads(run("create", "news", "--settings", "both.toml", "--json").stdout)
    assert made["settings"]["reward_wait_time"] == 30.0
