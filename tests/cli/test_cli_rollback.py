"""`rollback`: going back to an older model."""

import json


def test_rollback(run, data):
    said = json.loads(run("--data", data, "rollback", "news", "1", "--json").stdout)
    status = json.loads(run("--data", data, "status", "news", "--json").stdout)
    assert (status["published"], status["versions"], status["events"]) == (1, 3, said["seq"])
    assert "version 3 answers" in run("--data", data, "rollback", "news", "3").stdout
    run("--data", data, "verify", "news")


def test_rollback_to_what_never_was(run, data):
    before = json.loads(run("--data", data, "status", "news", "--json").stdout)["events"]
    assert "no model version 9" in run("--data", data, "rollback", "news", "9", code=3).output
    run("--data", data, "rollback", "nowhere", "1", code=3)
    run("--data", data, "rollback", "news", "0", code=2)
    assert json.loads(run("--data", data, "status", "news", "--json").stdout)["events"] == before
