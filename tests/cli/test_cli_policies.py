"""`loopledger policies` for a loop's own namespaces."""

import json

import loopledger


def test_one_is_printed_as_the_file_that_other_commands_take(run, tmp_path):
    printed = run("policies", "regcb").stdout
    assert json.loads(printed)["arguments"] == loopledger.ready_policy("regcb").arguments
    (tmp_path / "mine.json").write_text(printed)
    assert run("policies", str(tmp_path / "mine.json")).stdout == printed
    assert "neither" in run("policies", "best", code=3).output


def test_named_namespaces_are_crossed(run, tmp_path):
    printed = run("policies", "squarecb", "--shared", "user", "--actions", "article").stdout
    arguments = json.loads(printed)["arguments"]
    assert arguments.endswith("-q Fi -q Fj -q Fa -q ui -q uj -q ua")
    assert ":i" not in arguments
    (tmp_path / "mine.json").write_text(printed)
    run("create", "page", "--policy", str(tmp_path / "mine.json"))
    every = json.loads(run("policies", "--shared", "user", "--json").stdout)
    assert set(every) == set(loopledger.ready_policies())
    assert all(" -q ui" in policy["arguments"] for policy in every.values())


def test_ids_that_come_and_go_are_left_out(run):
    printed = run("policies", "squarecb", "--no-ids", "--actions", "article").stdout
    assert json.loads(printed)["arguments"].endswith("--learning_rate 2 -q Fj -q Fa")


def test_a_loops_own_are_found(run, tmp_path):
    with loopledger.open(tmp_path / "data") as ledger:
        loop = ledger.create("page")
        loop.rank({"user": {"age": "old"}}, {"a": {"article": {"topic": "x"}}, "b": {}})
        found = json.loads(
            run("--data", tmp_path / "data", "policies", "recommended", "--for", "page").stdout
        )
        assert found["arguments"].endswith(" -q ui -q ua")
        loop.change_policy(loopledger.LearningPolicy(**found))
    assert "nowhere" in run("--data", tmp_path / "data", "policies", "--for", "nowhere", code=3).output


def test_names_that_begin_alike_are_named(run):
    said = run("policies", "recommended", "--shared", "usage", "--actions", "unit").output
    assert "usage, unit begin alike" in said
    assert "alike" not in run("policies", "recommended", "--shared", "usage", "--shared", "user").output
