"""`relearn` and `erase`: what should not have been learned, and what should not have been logged."""

import json
import re

from learned import DECISIONS, ROUNDS


def said(run, *words, **more):
    return json.loads(run(*words, "--json", **more).stdout)


def test_relearn_without_some_decisions(run, data, tmp_path):
    listed = tmp_path / "ids.txt"
    listed.write_text("event-003\n\nevent-004\n")
    found = said(
        run, "--data", data, "relearn", "news",
        "--without", "event-001", "--without-file", listed, "--where", "starts_with(event_id, 'event-05')",
    )  # fmt: skip
    assert (found["left_out"], found["versions"], found["published"]) == (13, [4], 4)
    models = said(run, "--data", data, "models", "news")
    assert (
        models[3]["examples"] == sum(model["examples"] for model in models[:3]) - 12
    )  # one was never learned
    assert models[3]["parent"] == 0
    assert run("--data", data, "verify", "news")
    log = run("--data", data, "log", "news", "--kind", "RelearningBegun").stdout
    assert "from event 1 on, without 13 decisions" in log
    assert "left out since event" in run("--data", data, "why", "news", "event-051").stdout


def test_relearn_says_what_came_of_it(run, data):
    text = run("--data", data, "relearn", "news", "--without", "event-001", "--policy", "recommended").stdout
    assert re.search(
        r"decisions left out +1, since event \d+\nlearned +version 4\nanswers +version 4\n", text
    )
    text = run(
        "--data", data, "relearn", "news", "--with-everything", "--since", "2026-01-01T00:11:00Z"
    ).stdout
    assert re.search(r"decisions left out +0,", text)
    (*_, newest) = said(run, "--data", data, "models", "news")
    assert newest["decisions"] == DECISIONS * (ROUNDS - 1)


def test_relearn_several_times(run, data):
    found = said(run, "--data", data, "relearn", "news", "--passes", "3")
    assert (found["passes"], found["published"]) == (3, 4)
    (*before, newest) = said(run, "--data", data, "models", "news")
    assert newest["examples"] == sum(model["examples"] for model in before)
    assert [model["passes"] for model in (*before, newest)] == [1, 1, 1, 3]
    assert f"\t{newest['examples']}, 3 times\t" in run("--data", data, "models", "news").stdout
    assert newest["sha256"] != before[-1]["sha256"]
    assert "without 0 decisions, 3 times" in run("--data", data, "log", "news").stdout
    assert run("--data", data, "verify", "news")
    assert "passes" in run("--data", data, "relearn", "news", "--passes", "21", code=2).output


def test_what_cannot_be_relearned(run, data):
    before = said(run, "--data", data, "status", "news")["events"]
    for words, code, sentence in (
        (["--without", "nobody"], 3, "no decision has the event id 'nobody'"),
        (["--where", "foo("], 3, "must be a JMESPath expression"),
        (["--since", "9999"], 3, "the log goes from 1 to"),
        (["--since", "yesterday"], 3, "ISO 8601"),
        (["--policy", "unheard"], 3, "policy"),
        (["--without-file", "/nowhere"], 2, "nowhere"),
    ):
        assert sentence in run("--data", data, "relearn", "news", *words, code=code).output
    assert said(run, "--data", data, "status", "news")["events"] == before


def test_erase(run, data):
    found = said(run, "--data", data, "erase", "news", "--event-ids", "event-000", "--yes")
    assert found["erased"] == {"events": 3, "decisions": 1, "kept": [1], "lost": []}
    assert run("--data", data, "log", "news", "--event-id", "event-000").stdout.count("erased") == 3
    lines = run("--data", data, "log", "news", "--event-id", "event-000", "--json").stdout.splitlines()
    assert [json.loads(line)["body"] for line in lines] == [None] * 3
    summary = run("--data", data, "verify", "news").stdout
    assert "3 events, as the log says" in summary
    assert "1 version and 1 decision:" in summary
    assert "was erased" in run("--data", data, "why", "news", "event-000", code=3).output


def test_erase_asks_first(run, data):
    assert (
        "Erase 2 events of news for good?"
        in run("--data", data, "erase", "news", "--event-ids", "event-001", input="n\n", code=3).output
    )
    assert (
        "nothing was erased"
        in run("--data", data, "erase", "news", "--event-ids", "event-001", code=3).output
    )
    assert said(run, "--data", data, "status", "news")["counts"].get("Erased") is None
    text = run("--data", data, "erase", "news", "--event-ids", "event-001", input="y\n").stdout
    assert re.search(
        r"events erased +2\ndecisions among them +1\nmodel versions .* kept in the log +1\n", text
    )


def test_erase_what_is_old(run, data):
    found = said(run, "--data", data, "erase", "news", "--older-than", "2026-01-01T00:11:00Z", "--yes")
    assert (found["erased"]["decisions"], found["erased"]["kept"]) == (DECISIONS, [1])
    found = said(run, "--data", data, "erase", "news", "--older-than", "1d", "--yes")
    assert (found["erased"]["decisions"], found["erased"]["kept"]) == (DECISIONS * (ROUNDS - 1), [2, 3])
    for version in (1, 2, 3):
        run("--data", data, "model", "news", "--version", version)
    run("--data", data, "verify", "news")


def test_erase_by_query(run, data):
    found = said(run, "--data", data, "erase", "news", "--where", "context.FromUrl[0].hour == `3`", "--yes")
    assert found["erased"]["decisions"] == DECISIONS * ROUNDS // 4


def test_what_cannot_be_erased(run, data):
    for words, sentence in (
        (["--older-than", "soon"], "must be an age such as 90d, or a time in the past (ISO 8601)"),
        (["--older-than", f"{10**20}d"], "must be an age"),
        (["--older-than", "9" * 5000 + "d"], "must be an age"),
        (["--older-than", "2999-01-01"], "a time in the past"),
        (["--event-ids", "nobody"], "nothing was logged under the event id 'nobody'"),
    ):
        assert sentence in run("--data", data, "erase", "news", *words, "--yes", code=3).output
    for words in ([], ["--older-than", "1d", "--event-ids", "event-001"]):
        said_ = run("--data", data, "erase", "news", *words, "--yes", code=2).output
        assert "give one of --event-ids, --older-than and --where" in said_


def test_exports_leave_erased_decisions_out(run, data):
    run("--data", data, "erase", "news", "--event-ids", "event-001", "--yes")
    run("--data", data, "relearn", "news", "--without", "event-002")
    lines = run("--data", data, "export", "news").stdout.splitlines()
    found = {line["EventId"]: line.get("_skipLearn", False) for line in map(json.loads, lines)}
    assert len(found) == DECISIONS * ROUNDS - 1
    assert "event-001" not in found
    assert found["event-002"]
    assert not found["event-003"]
