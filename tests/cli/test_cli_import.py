import json

import pytest
from cooked import CB, FINGERPRINT, ZIP, cb, sample, written

import loopledger


@pytest.fixture
def zipped():
    return sample(ZIP)


@pytest.fixture
def log(here):
    return written(here, cb("a"), b"nonsense\n", cb("b", reward=1.0, observed=[{"v": 1.0}]), cb("a"))


def test_history_becomes_a_loop_that_has_learned(run, here, log):
    said = run("--data", "d", "import", "news", "--history", log).stdout
    for part in (
        "d/news, made",
        "2 of 4 lines; 1 rewards and activations",
        "in version 1",
        "1 line left out",
        "line 2 of log.json",
    ):
        assert part in said
    assert "everything holds" in run("--data", "d", "verify").stdout
    assert "2 imported decisions" in run("--data", "d", "verify").stdout
    found = run("--data", "d", "why", "news", "b").stdout
    assert "decided elsewhere, by model N/A" in found
    assert "cannot be computed again here" in found
    assert "the draw was" not in found
    assert sorted(path.name for path in (here / "d").iterdir()) == ["news"]


def test_json_says_the_same(run, log):
    told = json.loads(run("--data", "d", "import", "news", "--history", log, "--no-train", "--json").stdout)
    assert (told["loop"], told["created"], told["versions"], told["model"]) == ("news", True, [], None)
    assert (told["history"]["decisions"], told["history"]["refused"], told["history"]["repeated"]) == (
        2,
        1,
        1,
    )
    assert told["history"]["refusals"][0]["line"] == 2
    assert json.loads(run("--data", "d", "verify", "--json").stdout)[0]["findings"]["imported_decisions"] == 2


def test_strict_ends_with_the_first_line_and_nothing_is_made(run, here, log):
    assert (
        "line 2 of log.json"
        in run("--data", "d", "import", "news", "--history", log, "--strict", code=3).output
    )
    assert not (here / "d").exists()


def test_nothing_is_made_of_nothing(run, here, zipped):
    empty = written(here, b"")
    assert "no decision" in run("--data", "d", "import", "news", "--history", empty, code=3).output
    assert "--trust " in run("--data", "d", "import", "news", "--model", zipped, code=3).output
    (here / "rubbish").write_bytes(b"rubbish")
    assert run("--data", "d", "import", "news", "--model", "rubbish", code=3)
    assert run(
        "--data", "d", "import", "news", "--model", "rubbish", "--history", written(here, cb()), code=3
    )
    assert "name" in run("--data", "d", "import", "../x", "--policy", "recommended", code=3).output
    assert not (here / "d").exists()
    (here / "d").mkdir()
    run("--data", "d", "import", "news", "--model", "rubbish", code=3)
    assert (here / "d").exists()


def test_what_is_not_understood(run):
    assert "at least one of" in run("import", "news", code=2).output
    assert "give --model" in run("import", "news", "--policy", "recommended", "--trust", "x", code=2).output
    assert "does not exist" in run("import", "news", "--history", "none", code=2).output
    assert run("import", code=2)


def test_a_signed_model_becomes_a_loop_under_its_own_policy(run, zipped):
    said = run("--data", "d", "import", "news", "--model", zipped, "--trust", FINGERPRINT).stdout
    for part in ("Of the imported model: --cb_explore_adf", "answers now, as version 1", "ended 2023-10-17"):
        assert part in said
    assert json.loads(run("--data", "d", "status", "news", "--json").stdout)["published"] == 1


def test_with_history_the_model_answers_and_the_history_is_not_learned_again(run, zipped):
    words = ("import", "news", "--history", sample(CB), "--model", zipped, "--trust", FINGERPRINT)
    run("--data", "d", *words)
    status = json.loads(run("--data", "d", "status", "news", "--json").stdout)
    assert (status["published"], status["waiting_decisions"]) == (1, 0)
    assert "nothing to learn" in run("--data", "d", "train", "news").stdout


def test_a_model_that_the_policy_does_not_fit_is_refused_before_anything_is_made(run, here, zipped):
    words = (
        "--data",
        "d",
        "import",
        "news",
        "--model",
        zipped,
        "--trust",
        FINGERPRINT,
        "--policy",
        "recommended",
    )
    assert "--quadratic ::" in run(*words, code=3).output
    assert not (here / "d").exists()


def test_into_a_loop_that_there_is(run, data, here, zipped, log):
    said = run("--data", data, "import", "news", "--history", log, code=3).output
    assert "history goes only into a new one" in said
    (here / "settings.toml").write_text("", encoding="utf-8")
    settings = ("--policy", "recommended", "--settings", "settings.toml")
    assert "for a new loop" in run("--data", data, "import", "news", *settings, code=3).output
    (here / "policy.json").write_text(
        json.dumps({"name": "mine", "arguments": "--cb_explore_adf -q :j"}), encoding="utf-8"
    )
    before = json.loads(run("--data", data, "status", "news", "--json").stdout)
    both = ("--policy", "policy.json", "--model", zipped, "--trust", FINGERPRINT)
    assert "policy that fits it" in run("--data", data, "import", "news", *both, code=3).output
    assert json.loads(run("--data", data, "status", "news", "--json").stdout) == before
    assert (
        "mine: --cb"
        in run("--data", data, "import", "news", "--policy", "policy.json", "--no-relearn").stdout
    )
    with loopledger.open(data) as ledger:
        entries = list(ledger.loop("news").log(kinds=["PolicyChanged"]))
    assert [json.loads(bytes(entry.body))["relearn"] for entry in entries] == [False]
    fits = ("--policy", "personalizer-default", *both[2:])
    assert "answers now" in run("--data", data, "import", "news", *fits).stdout
    assert "everything holds" in run("--data", data, "verify").stdout


def test_what_is_no_model_is_named(run, here, data):
    (here / "table.csv").write_text("a,b\n")
    for words in (["anew"], ["anew", "--policy", "bag"], ["news"]):
        said = run("--data", data, "import", *words, "--model", "table.csv", code=3).output
        assert said.startswith("loopledger: model: must be a VowpalWabbit model, or one that")
