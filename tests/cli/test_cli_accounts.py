"""`apprentice` and `features`: what people read, and what programs do."""

import json

import learned
import pytest

import loopledger
from loopledger.adapters.cli.chart import stretched


@pytest.fixture(scope="module")
def apprentices(tmp_path_factory):
    """A data folder with a loop that learned from its caller for three days."""
    folder = tmp_path_factory.mktemp("apprentice") / "data"
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0, learning_mode="Apprentice")
    policy = {"name": "greedy", "arguments": "--cb_explore_adf --epsilon 0.2 -q Fi"}
    with loopledger.open(folder, clock=clock, workers=1) as ledger:
        loop = ledger.create("news", policy=policy, settings=settings)
        for _ in range(3):
            for number in range(400):
                best = "abcd"[number % 4]
                decision = loop.rank({"hour": f"h{number % 4}"}, {name: {} for name in (best, *"abcd")})
                loop.reward(decision.event_id, float(number % 3 == 0))
            clock.advance(86_400)
            loop.train()
    return folder


def test_apprentice_answers_first_and_shows_why(run, apprentices):
    shown = run("--data", apprentices, "apprentice", "news").stdout
    lines = shown.splitlines()
    assert lines[0].startswith("Yes.")
    for part in ("achievement ratio", "match rate", "expected at most", "by batches of 1,000 cases"):
        assert part in shown
    assert len([line for line in lines if line.startswith("2026-01-0")]) == 3
    first = run("--data", apprentices, "apprentice", "news", "--until", "2026-01-01T12:00").stdout
    assert first.startswith("Not yet.")


def test_few_values_fill_a_curve_in_order():
    assert stretched([0.1, 0.9], 4) == [0.1, 0.1, 0.9, 0.9]
    assert stretched([0.1, 0.5, 0.9], 2) == [0.1, 0.5, 0.9]


def test_slots_have_figures_of_their_own(run, here):
    clock = loopledger.SimulatedClock(learned.START)
    settings = loopledger.Settings(model_update_frequency=0, learning_mode="Apprentice")
    with loopledger.open(here / "data", clock=clock, workers=1) as ledger:
        loop = ledger.create("shelf", policy=learned.SLOTS_POLICY, settings=settings)
        learned.live_slots(loop, clock, {"top": "music", "side": "sports", "foot": "politics"})
    shown = run("--data", here / "data", "apprentice", "shelf").stdout
    rows = [line.split("\t") for line in shown.splitlines() if "\t" in line]
    assert [row[:2] for row in rows if row[0] in {"top", "side", "foot"}] == [
        ["top", "40"],
        ["side", "40"],
        ["foot", "40"],
    ]
    assert "120 cases" in shown


def test_apprentice_as_json_has_personalizers_numbers(run, apprentices):
    found = json.loads(run("--data", apprentices, "apprentice", "news", "--json").stdout)
    assert found["whole"]["number_of_events"] == 1_200
    assert found["whole"]["sum_of_rewards"] == 402
    assert [batch["number_of_events"] for batch in found["batches"]] == [1_000, 200]
    assert [day["number_of_events"] for day in found["days"]] == [400] * 3
    assert found["readiness"]["judgement"] == "ready"
    middle = json.loads(
        run("--data", apprentices, "apprentice", "news", "--json", "--since", "2026-01-02").stdout
    )
    assert middle["whole"]["number_of_events"] == 800


def test_apprentice_works_while_the_loop_is_open_elsewhere(run, apprentices):
    with loopledger.open(apprentices, workers=1) as ledger:
        ledger.loop("news").settings  # noqa: B018 - opens it
        assert "achievement ratio" in run("--data", apprentices, "apprentice", "news").stdout


def test_a_loop_that_never_was_an_apprentice_is_told_how_to_become_one(run, shared_data):
    said = run("--data", shared_data, "apprentice", "news", code=3).stderr
    assert "made in Online mode" in said
    assert "learning_mode" in said


def test_features_are_listed_the_most_important_first(run, apprentices):
    shown = run("--data", apprentices, "features", "news").stdout
    lines = [line.split("\t") for line in shown.splitlines() if "\t" in line]
    assert lines[0] == ["namespace", "matters", "present", "values", "remark"]
    features = lines[lines.index(["feature", "matters", "present", "values", "remark"]) + 1 :]
    assert {features[0][0], features[1][0]} == {"FromUrl.hour", "i.id"}
    assert features[0][1:3] == ["100.0", "100.0%"]


def test_features_as_json(run, apprentices):
    found = json.loads(run("--data", apprentices, "features", "news", "--json").stdout)
    assert found["method"] == "approximate"
    assert found["decisions"] == 1_200
    assert {(one["namespace"], one["feature"]) for one in found["features"]} == {
        ("FromUrl", "hour"),
        ("i", "id"),
    }
    assert run("--data", apprentices, "features", "news", "--most", "1").stdout.count("1 feature more") == 1


@pytest.mark.slow
def test_features_left_out_one_by_one(run, apprentices):
    said = run("--data", apprentices, "features", "news", "--method", "leave-one-out", "--json").stdout
    found = json.loads(said)
    assert found["method"] == "leave-one-out"
    assert found["reward"] is not None
    assert all(one["reward_without"] is not None for one in found["features"])
    assert (
        "reward without" in run("--data", apprentices, "features", "news", "--method", "leave-one-out").stdout
    )
