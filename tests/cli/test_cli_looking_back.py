"""`why`, `models`, `as-of` and `rank`: what was, and why."""

import json

import learned
import pytest

LAST = f"event-{learned.ROUNDS * learned.DECISIONS - 1:03d}"


@pytest.fixture
def request_file(tmp_path):
    path = tmp_path / "request.json"
    actions = [{"id": name, "features": [features]} for name, features in learned.ACTIONS.items()]
    path.write_text(json.dumps({"contextFeatures": [{"hour": 1}], "actions": actions, "eventId": LAST}))
    return path


def test_why_for_people(run, shared_data):
    said = run("--data", shared_data, "why", "news", LAST).stdout
    assert "computed again: the same probabilities, the same draw" in said
    assert "spoke for an action" in said
    assert "i.id=music" in said
    assert "after 0.000 s" in said
    assert f"learned in version {learned.ROUNDS}" in said


def test_why_as_json(run, shared_data):
    found = json.loads(run("--data", shared_data, "why", "news", LAST, "--json").stdout)
    assert (found["event_id"], found["holds"], found["learned_in"]) == (LAST, True, [learned.ROUNDS])
    assert len(found["drawn"][0]["choices"]) == len(learned.ACTIONS)


def test_why_of_a_decision_that_nobody_made(run, shared_data):
    assert "no decision" in run("--data", shared_data, "why", "news", "nobody", code=3).output


def test_why_of_what_was_not_activated(run, shared_data):
    said = run("--data", shared_data, "why", "news", "event-010").stdout
    assert "not learned from: not activated" in said


def test_models(run, shared_data):
    said = run("--data", shared_data, "models", "news").stdout
    assert len(said.splitlines()) == 1 + learned.ROUNDS
    found = json.loads(run("--data", shared_data, "models", "news", "--json").stdout)
    assert [model["version"] for model in found] == [1, 2, 3]
    assert found[-1]["served"][0]["until"] is None


def test_no_models_yet(run):
    run("create", "fresh")
    assert "no model yet" in run("models", "fresh").stdout
    assert json.loads(run("models", "fresh", "--json").stdout) == []


def test_as_of_a_seq_and_a_time(run, shared_data):
    by_seq = json.loads(run("--data", shared_data, "as-of", "news", "100", "--json").stdout)
    assert by_seq["seq"] == 100
    by_time = json.loads(run("--data", shared_data, "as-of", "news", "2026-01-01T00:10:30Z", "--json").stdout)
    assert by_time["decisions"] == learned.DECISIONS
    said = run("--data", shared_data, "as-of", "news", "2026-01-01T00:10:30Z").stdout
    assert by_time["digest"] in said


@pytest.mark.parametrize("moment", ["yesterday", "0", "99999999", "1999-01-01"])
def test_moments_that_never_were(run, shared_data, moment):
    run("--data", shared_data, "as-of", "news", moment, code=3)


def test_rank_as_of(run, shared_data, request_file):
    then = json.loads(
        run("--data", shared_data, "rank", "news", request_file, "--as-of", "1", "--json").stdout
    )
    now = json.loads(run("--data", shared_data, "rank", "news", request_file, "--json").stdout)
    assert (then["model_version"], now["model_version"]) == (0, learned.ROUNDS)
    assert len({action["probability"] for action in then["ranking"]}) == 1
    said = run("--data", shared_data, "rank", "news", request_file).stdout
    assert said.startswith(now["action"])
    assert "nothing was logged" in said


def test_rank_reads_standard_input(run, shared_data, request_file):
    run("--data", shared_data, "rank", "news", "-", input=request_file.read_bytes())
    assert "not JSON" in run("--data", shared_data, "rank", "news", "-", input=b"{", code=3).output


def test_diff(run, shared_data):
    said = run("--data", shared_data, "diff", "news", "1", "3").stdout
    assert said.startswith("A  version 1")
    assert "weights that moved most" in said
    found = json.loads(run("--data", shared_data, "diff", "news", "@1", "3", "--json").stdout)
    assert (found["first"]["version"], found["second"]["version"]) == (0, 3)
    run("--data", shared_data, "diff", "news", "1", "99", code=3)


def test_bisect_that_finds_nothing(run, shared_data, request_file):
    where = ("--data", shared_data, "bisect", "news", "--context", request_file)
    assert "no action" in run(*where, "--expect", "weather", code=3).output
