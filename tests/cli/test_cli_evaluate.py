"""`evaluate`, `evaluations` and `rollback --policy`."""

import json
import re
import shutil

import learned
import pytest
from click.testing import CliRunner

import loopledger
from loopledger.adapters.cli.main import main
from loopledger.adapters.embedding import evaluating

OWN = ["Online", "Baseline", "Random"]
FIGURES = {
    "average_reward",
    "interval",
    "anytime",
    "ips",
    "snips",
    "robust",
    "effective_sample_size",
    "cases",
}


@pytest.fixture(scope="session")
def evaluated_data(shared_data, tmp_path_factory):
    """The same data folder with an evaluation in it; nobody writes to it."""
    folder = shutil.copytree(shared_data, tmp_path_factory.mktemp("evaluated") / "data")
    words = ["evaluate", "news", "--policy", "squarecb", "--policy", "softmax", "--version", "2"]
    done = CliRunner().invoke(main, ["--data", str(folder), *words, "--id", "one"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def evaluated(evaluated_data, tmp_path):
    return shutil.copytree(evaluated_data, tmp_path / "data")


def said(run, *words):
    return json.loads(run(*words, "--json").stdout)


def events(run, data):
    return said(run, "--data", data, "status", "news")["events"]


def test_figures_as_json(run, data, tmp_path):
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"name": "my own", "arguments": "--cb_explore_adf --epsilon 0.1 -q :i"}))
    found = said(
        run, "--data", data, "evaluate", "news", "--policy", "squarecb", "--policy", own, "--version", "1"
    )
    assert [one["name"] for one in found["policies"]] == [*OWN, "squarecb", "my own", "version 1"]
    for one in found["policies"]:
        low, high = one["interval"]
        assert low <= one["average_reward"] <= high
        assert set(one) >= FIGURES | {"verdict", "cautions", "source", "arguments", "slots"}
        assert "over_time" not in one
        assert "sums" not in one
    (recorded,) = said(run, "--data", data, "evaluations", "list", "news")
    assert (found["evaluation"], recorded["status"]) == (recorded["id"], "Succeeded")
    shown = said(run, "--data", data, "evaluations", "show", "news", recorded["id"])
    assert shown == found
    run("--data", data, "verify", "news")


def test_figures_over_time(run, evaluated):
    words = ("--data", evaluated, "evaluations", "show", "news", "one")
    rolling = said(run, *words, "--interval", "5", "--window", "rolling")
    expanding = said(run, *words, "--interval", "5")
    for one, other in zip(rolling["policies"], expanding["policies"], strict=True):
        assert sum(stretch["cases"] for stretch in one["over_time"]) == one["cases"]
        assert other["over_time"][-1]["cases"] == other["cases"]
        assert other["over_time"][-1]["average_reward"] == pytest.approx(other["average_reward"])
        assert len(one["over_time"]) > 1
    text = run(*words, "--interval", "60").stdout
    assert re.search(r"^from \(UTC\)\tOnline\tBaseline\tRandom\tsquarecb", text, re.MULTILINE)
    assert said(run, *words, "--window", "rolling")["policies"][0]["over_time"]
    assert "5, 60" in run(*words, "--interval", "7", code=2).output.replace("'", "")


def test_what_people_see(run, evaluated):
    text = run("--data", evaluated, "evaluations", "show", "news", "one").stdout
    assert re.search(r"^evaluation +one$", text, re.MULTILINE)
    assert re.search(r"^decisions +171$", text, re.MULTILINE)
    assert re.search(r"^left out +9 not activated$", text, re.MULTILINE)
    assert re.search(r"^Online\t0\.\d{4}\t0\.\d{4} to 0\.\d{4}\t.*\t171 of 171\titself$", text, re.MULTILINE)
    assert re.search(
        r"^squarecb would have earned between .* more per case than Online\.$", text, re.MULTILINE
    )
    assert re.search(r"^caution, version 2: .*its figures are too good", text, re.MULTILINE)
    log = run("--data", evaluated, "log", "news", "--kind", "EvaluationEnded").stdout
    assert log.rstrip().endswith("one, Succeeded")


def test_a_report_for_the_browser(run, evaluated, here):
    words = ("--data", evaluated, "evaluations", "show", "news", "one", "--html", here / "report.html")
    assert "report.html" in run(*words).stdout
    page = (here / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "squarecb" in page
    assert "is there already" in run(*words, code=3).output
    assert (here / "report.html").read_text("utf-8") == page
    run(*words, "--force")
    last = events(run, evaluated)
    spared = run("--data", evaluated, "evaluate", "news", "--html", here / "report.html", code=3).output
    assert "is there already" in spared
    assert events(run, evaluated) == last


def test_a_loop_that_is_open_elsewhere(run, data):
    with loopledger.open(data, clock=loopledger.SimulatedClock(learned.START)) as ledger:
        last = ledger.loop("news").status().events
        done = run("--data", data, "evaluate", "news", "--policy", "squarecb", "--json")
        assert "nothing is recorded" in done.stderr
        found = json.loads(done.stdout)
        assert found["evaluation"] is None
        assert [one["name"] for one in found["policies"]] == [*OWN, "squarecb"]
        assert ledger.loop("news").status().events == last


def test_what_cannot_be_evaluated(run, data):
    last = events(run, data)
    for words, code, sentence in (
        (["--policy", "unheard"], 3, "neither a ready policy's name"),
        (["--policy", "squarecb", "--policy", "squarecb"], 3, "called alike"),
        (["--policy", "recommended-slots"], 3, "several slots"),
        (["--policy", "recommended-slots"], 3, "loopledger: policy: "),
        (["--version", "2", "--version", "2"], 3, "loopledger: version: is taken"),
        (["--version", "9"], 3, "no model version 9"),
        (["--version", "0"], 2, "0"),
        (["--since", "99999"], 3, "no decision in this range"),
        (["--since", "2030-01-01"], 3, "no decision in this range"),
        (["--since", "tomorrow"], 3, "ISO 8601"),
        (["--until", "1"], 3, "no decision in this range"),
        (["--reward-range", "1", "0"], 3, "reward_range"),
        (["--id", ""], 3, "evaluation_id"),
    ):
        output = run("--data", data, "evaluate", "news", *words, code=code).output
        assert sentence in output
        assert len(output.strip().splitlines()) == 1 or code == 2
    assert "there is no loop 'nowhere'" in run("--data", data, "evaluate", "nowhere", code=3).output
    assert events(run, data) == last


def test_an_empty_log(run, data):
    run("--data", data, "create", "empty")
    assert "loop: has no decision yet" in run("--data", data, "evaluate", "empty", code=3).output
    assert "no evaluation yet" in run("--data", data, "evaluations", "list", "empty").stdout


def test_without_the_extra(run, data, monkeypatch):
    monkeypatch.setattr(evaluating, "find_spec", lambda _: None)
    last = events(run, data)
    output = run("--data", data, "evaluate", "news", code=3).output
    assert "pip install 'loopledger[evaluation]'" in output
    assert events(run, data) == last


def test_one_that_is_interrupted(run, data, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("loopledger.evaluation.evaluate.evaluate", interrupted)
    assert "stopped before it was done" in run("--data", data, "evaluate", "news", code=3).output
    (recorded,) = said(run, "--data", data, "evaluations", "list", "news")
    assert recorded["status"] == "Canceled"
    text = run("--data", data, "evaluations", "show", "news", recorded["id"]).stdout
    assert re.search(r"^reason +it was interrupted", text, re.MULTILINE)


def test_the_list(run, evaluated):
    text = run("--data", evaluated, "evaluations", "list", "news").stdout
    assert text.splitlines()[0].split("\t") == ["id", "asked (UTC)", "status", "events", "applied", "name"]
    assert re.search(r"^one\t.*\tSucceeded\t1 to 376\t\tsquarecb, softmax, version 2$", text, re.MULTILINE)
    assert (
        "no evaluation with this id"
        in run("--data", evaluated, "evaluations", "show", "news", "two", code=3).output
    )


def test_one_that_is_deleted(run, evaluated):
    found = said(run, "--data", evaluated, "evaluations", "delete", "news", "one")
    assert found["seq"] == events(run, evaluated)
    assert said(run, "--data", evaluated, "evaluations", "list", "news") == []
    assert "no evaluation" in run("--data", evaluated, "evaluations", "delete", "news", "one", code=3).output


def test_a_policy_is_applied_and_taken_back(run, evaluated):
    before = said(run, "--data", evaluated, "status", "news")
    text = run("--data", evaluated, "evaluations", "apply", "news", "one", "squarecb").stdout
    assert re.fullmatch(r"“SquareCB” is in force from event [\d,]+ on; version 4 answers\n", text)
    assert "squarecb".casefold() in run("--data", evaluated, "models", "news").stdout.casefold()
    assert "SquareCB (evaluation one)" in run("--data", evaluated, "models", "news").stdout
    assert "by evaluation one" in run("--data", evaluated, "log", "news", "--kind", "RelearningBegun").stdout
    assert "SquareCB (event" in run("--data", evaluated, "evaluations", "list", "news").stdout
    again = said(run, "--data", evaluated, "evaluations", "apply", "news", "one", "squarecb")
    assert (again["seq"], again["published"]) == (None, 4)
    text = run("--data", evaluated, "rollback", "news", "--policy").stdout
    assert re.fullmatch(
        r"“Personalizer default” is in force and version 3 answers from event [\d,]+ on\n", text
    )
    after = said(run, "--data", evaluated, "status", "news")
    assert [after[name] for name in ("policy", "published")] == [
        before[name] for name in ("policy", "published")
    ]
    again = said(run, "--data", evaluated, "rollback", "news", "--policy")
    assert (again["policy"]["name"], again["version"]) == ("SquareCB", 4)
    run("--data", evaluated, "verify", "news")


def test_what_cannot_be_applied_or_taken_back(run, evaluated):
    last = events(run, evaluated)
    online = run("--data", evaluated, "evaluations", "apply", "news", "one", "Online").stdout
    assert "nothing has changed" in online
    for policy, sentence in (("Baseline", "LoggingOnly"), ("version 2", "rollback"), ("theirs", "there are")):
        output = run("--data", evaluated, "evaluations", "apply", "news", "one", policy, code=3).output
        assert sentence in output
    assert "never changed" in run("--data", evaluated, "rollback", "news", "--policy", code=3).output
    for words in ([], ["1", "--policy"]):
        assert (
            "give a VERSION, or --policy"
            in run("--data", evaluated, "rollback", "news", *words, code=2).output
        )
    assert events(run, evaluated) == last


def test_help_says_what_it_does(run):
    assert "always among them" in run("evaluate", "--help").stdout
    for name in ("list", "show", "delete", "apply"):
        assert name in run("evaluations", "--help").stdout
        assert "--json" in run("evaluations", name, "--help").stdout
