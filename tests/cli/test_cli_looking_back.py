"""`why`, `models`, `as-of` and `rank`: what was, and why."""

import json

import learned
import pytest

import loopledger

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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A data folder with a loop of three slots that learned twice; an id in it reads like a mark of rich's."""
    folder = tmp_path_factory.mktemp("page")
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0)
    likes = [{"top": "music", "side": side, "foot": "weather"} for side in ("politics", "sports", "sports")]
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        loop = ledger.create("page", policy=learned.SLOTS_POLICY, settings=settings)
        for number, liked in enumerate(likes):
            learned.live_slots(loop, clock, liked, number * 40)
            loop.train()
        loop.rank_slots({}, {"[red]": {}, ":smile:": {}}, [{"id": "[b]top"}], event_id="marks")
    return folder


@pytest.fixture
def slots_file(tmp_path):
    path = tmp_path / "slots.json"
    path.write_text(learned.slots_request(eventId="event-119"))
    return path


def test_why_of_slots(run, page):
    said = run("--data", page, "why", "page", "event-050").stdout
    for slot in learned.SLOTS:
        assert f"for slot {slot['id']} it chose" in said
    assert "taken by the slots before: " in said
    assert "action\tprobability\tversion 2\tversion 3" in said
    assert said.count("version 3: answers now") == 1
    assert "sj.size=large" in said
    found = json.loads(run("--data", page, "why", "page", "event-050", "--json").stdout)
    assert [later["slot"] for later in found["later"]] == ["top", "side", "foot"] * 2
    assert all(choice["weights"] for drawn in found["drawn"] for choice in drawn["choices"])


def test_rank_of_slots(run, page, slots_file, request_file):
    now = json.loads(run("--data", page, "rank", "page", slots_file, "--json").stdout)
    assert [slot["slot"] for slot in now["slots"]] == ["top", "side", "foot"]
    said = run("--data", page, "rank", "page", slots_file).stdout.splitlines()
    assert [line.split() for line in said[:3]] == [[slot["slot"], slot["action"]] for slot in now["slots"]]
    assert "nothing was logged" in said[3]
    assert said[4] == "slot\taction\tprobability"
    then = run("--data", page, "rank", "page", slots_file, "--as-of", 1, "--json").stdout
    assert json.loads(then)["model_version"] == 0
    assert "several slots: give it slots" in run("--data", page, "rank", "page", request_file, code=3).output


def test_diff_of_slots(run, page):
    said = run("--data", page, "diff", "page", "1", "3").stdout
    assert "Of the 361 slots of the last 121 contexts" in said
    assert "decision\tslot\taction\tA\tB" in said
    assert json.loads(run("--data", page, "diff", "page", "1", "3", "--json").stdout)["choices"] == 361


def test_bisect_of_slots(run, page, slots_file):
    where = ("--data", page, "bisect", "page", "--context", slots_file)
    assert "'music' as expected" in run(*where, "--expect", "music", code=3).output
    assert "no slot" in run(*where, "--expect", "music", "--slot", "nowhere", code=3).output
    said = run(*where, "--expect", "politics", "--slot", "side").stdout
    assert said.startswith("for slot side version ")
    assert (
        json.loads(run(*where, "--expect", "politics", "--slot", "side", "--json").stdout)["slot"] == "side"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_ids_are_printed_as_they_are(run, page, monkeypatch, terminal):
    if terminal:
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setenv("FORCE_COLOR", "1")
    said = run("--data", page, "why", "page", "marks").stdout
    assert "[red]" in said
    assert ":smile:" in said
    assert "for slot [b]top" in said
    assert ("\x1b" in said) == terminal
