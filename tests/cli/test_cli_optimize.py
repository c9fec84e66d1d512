"""`optimize`: a search from the command line, what it says, saves and puts in force."""

import json
import shutil

import pytest
from test_optimize import SLOW, by_the_hour, lived

import loopledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    folder = tmp_path_factory.mktemp("optimize")
    lived(folder, by_the_hour)
    return folder


@pytest.fixture
def data(lively, tmp_path):
    return shutil.copytree(lively, tmp_path / "data")


def test_what_is_found_is_recorded_saved_and_applied(run, data, here):
    said = run("--data", data, "optimize", "news", "--trials", 10, "--save", "better.json", "--apply").stdout
    assert "optimized" in said
    assert "tried 10 policies" in said
    assert "it is in force" in said
    better = loopledger.LearningPolicy(**json.loads((here / "better.json").read_text()))
    with loopledger.open(data) as ledger:
        loop = ledger.loop("news")
        (done,) = loop.evaluations()
        assert loop.policy == better
        assert (done.status, done.policy, done.optimizes) == ("Succeeded", "optimized", True)
        assert done.applied[0].policy == "optimized"
        report = loop.evaluation(done.id).report
        assert report.searched.trials == 10
    run("--data", data, "rollback", "news", "--policy")
    with loopledger.open(data) as ledger:
        assert ledger.loop("news").policy == SLOW


def test_it_goes_on_where_it_stopped_and_prints_json(run, data):
    words = ("--data", data, "optimize", "news", "--until", "2500", "--json", "--trials")
    first = json.loads(run(*words, 4).stdout)
    second = json.loads(run(*words, 8, "--html", "report.html").stdout)
    assert first["searched"]["trials"] == 4
    assert second["searched"]["trials"] == 8
    assert [one["name"] for one in second["policies"][:3]] == ["Online", "Baseline", "Random"]
    assert all(len(one["interval"]) == 2 for one in second["policies"])
    shutil.rmtree(data / "news" / "searches")
    assert json.loads(run(*words, 4).stdout)["searched"] == first["searched"]


def test_another_process_has_the_loop(run, data):
    with loopledger.open(data) as ledger:
        loop = ledger.loop("news")
        assert loop.policy == SLOW
        done = run("--data", data, "optimize", "news", "--trials", 4)
        assert "nothing is recorded" in done.stderr
        assert loop.evaluations() == []
        assert "open" in run("--data", data, "optimize", "news", "--trials", 4, "--apply", code=3).stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--held-out", "0.99"), 3, "held_out"),
        (("--budget", "soon"), 2, "5m"),
        (("--budget", "0.1s"), 3, "budget"),
        (("--since", "2900"), 3, "since"),
        (("--trials", "0"), 2, "trials"),
        (("--policy", "nobody.json"), 3, "policy: is neither"),
    ],
)
def test_what_cannot_be_asked_is_named(run, data, words, code, said):
    assert said in run("--data", data, "optimize", "news", *words, code=code).stderr


def test_a_file_that_is_there_stays(run, data, here):
    (here / "mine.json").write_text("mine")
    said = run("--data", data, "optimize", "news", "--trials", 4, "--save", "mine.json", code=3).stderr
    assert "--force" in said
    assert (here / "mine.json").read_text() == "mine"
