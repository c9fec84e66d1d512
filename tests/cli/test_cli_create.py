"""`create`, `loops` and `policies`."""

import json
import shutil
from importlib.resources import files

import pytest

import loopledger

POLICY = {"name": "mine", "arguments": "--cb_explore_adf --epsilon 0.1"}
DEFAULT = "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::"


def status(run, name):
    return json.loads(run("status", name, "--json").stdout)


def test_a_loop_is_made_with_the_defaults(run, here):
    said = run("create", "news").stdout
    assert said.startswith("made loopledger-data/news, which learns by “Personalizer default”")
    assert (here / "loopledger-data" / "news" / "log.db").is_file()
    found = status(run, "news")
    assert (found["events"], found["counts"]) == (1, {"LoopCreated": 1})
    assert found["policy"]["arguments"] == DEFAULT
    assert found["settings"]["reward_wait_time"] == 600.0


def test_what_create_says_as_json_is_what_the_log_says(run):
    said = json.loads(run("create", "news", "--policy", "squarecb", "--json").stdout)
    found = status(run, "news")
    assert said == {"loop": "news", "policy": found["policy"], "settings": found["settings"]}
    assert "--squarecb" in said["policy"]["arguments"]


def test_a_policy_of_ones_own(run, here):
    (here / "policy.json").write_text(json.dumps(POLICY), encoding="utf-8")
    run("create", "news", "--policy", "policy.json")
    assert status(run, "news")["policy"] == POLICY


def test_the_settings_file_that_comes_with_the_package_can_be_given(run, here):
    defaults = (files("loopledger.config") / "default.toml").read_text(encoding="utf-8")
    (here / "mine.toml").write_text(defaults.replace("600.0", "30.0"), encoding="utf-8")
    run("create", "news", "--settings", "mine.toml")
    assert status(run, "news")["settings"]["reward_wait_time"] == 30.0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("reward_wait_time = 5\n[settings]\ncompression = true\n", "reward_wait_time beside [settings]"),
        ("[settings]\n[server]\n[sever]\n", "sever beside [settings], where only [server] may stand"),
        ("[setings]\ncompression = true\n", "no [settings], and setings is no setting"),
        ("[server]\nport = 1\n", "no [settings], and server is no setting"),
    ],
)
def test_what_a_settings_file_may_not_hold(run, here, content, says):
    (here / "mine.toml").write_text(content, encoding="utf-8")
    said = run("create", "news", "--settings", "mine.toml", code=3)
    assert says in said.stderr
    assert not (here / "loopledger-data" / "news").exists()


def test_a_name_is_ascii(run):
    assert "ASCII letters" in run("create", "größe", code=3).stderr


def test_settings_need_no_heading(run, here):
    (here / "mine.toml").write_text('learning_mode = "Apprentice"\n', encoding="utf-8")
    run("create", "news", "--settings", "mine.toml")
    assert status(run, "news")["settings"]["learning_mode"] == "Apprentice"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "JSON"),
        (b"not json", "JSON"),
        (b"\xff\xfe\x00", "JSON"),
        (b"[]", "policy"),
        (b'{"name": 1}', "$.name"),
        (b'{"name": "x"}', "arguments"),
        (b'{"name": "x", "arguments": "--cb_explore_adf", "extra": 1}', "extra"),
        (b'{"name": "x", "arguments": "--cb_explore_adf -f /tmp/stolen"}', "'-f' is not an option"),
        (b'{"name": "x", "arguments": "--cb_explore_adf --epsilon many"}', "policy.arguments"),
        (b'{"name": "x", "arguments": "--cb_explore_adf --final_regressor x"}', "final_regressor"),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_a_bad_policy_file_makes_no_loop(run, here, content, says):
    (here / "bad.json").write_bytes(content)
    said = run("create", "news", "--policy", "bad.json", code=3).output
    assert said.startswith("loopledger: policy")
    assert says in said
    assert run("loops", "--json").stdout == "[]\n"


@pytest.mark.parametrize("policy", ["nope", ".", "missing.json", ""])
def test_a_policy_that_is_neither_ready_nor_a_file(run, here, policy):
    assert (
        "is neither a ready policy's name (`loopledger policies` lists them) nor a file to read"
        in run("create", "news", "--policy", policy, code=3).output
    )
    assert not list(here.iterdir())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"reward_wait_time = ", "settings: cannot be read"),
        (b"\xff", "settings: cannot be read"),
        (b"reward_wait_time = 'long'", "$.reward_wait_time"),
        (b"reward_wait_time = -1", "reward_wait_time"),
        (b"no_such_setting = 1", "no_such_setting"),
        (b"settings = 3", "settings"),
        (b"x = " + b"[" * 100_000, "settings: cannot be read"),
        (b"[settings.limits]\nactions = 0", "actions"),
    ],
)
def test_a_bad_settings_file_makes_no_loop(run, here, content, says):
    (here / "bad.toml").write_bytes(content)
    said = run("create", "news", "--settings", "bad.toml", code=3).output
    assert said.startswith("loopledger: ")
    assert says in said
    assert run("loops", "--json").stdout == "[]\n"


def test_a_settings_file_that_is_not_there_is_a_mistake_in_the_command(run):
    assert "does not exist" in run("create", "news", "--settings", "missing.toml", code=2).output


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "-x", ".hidden", "a" * 65, "ä", "a b", "a\n", "[red]"]
)
def test_names_that_could_not_be_a_folders(run, here, name):
    assert "name: must have 1 to 64" in run("create", "--", name, code=3).output
    assert not list(here.rglob("log.db"))


def test_a_loop_is_not_made_twice(run, data):
    before = run("--data", data, "status", "news").stdout
    assert "there is a loop 'news' already" in run("--data", data, "create", "news", code=3).output
    assert run("--data", data, "status", "news").stdout == before


def test_a_folder_that_is_in_the_way_is_left_alone(run, here):
    kept = here / "loopledger-data" / "news" / "somebody-elses.txt"
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert "is in the way" in run("create", "news", code=3).output
    assert [path.name for path in (here / "loopledger-data").iterdir()] == ["news"]
    assert kept.exists()


def test_loops_are_listed_with_what_is_in_them(run, data):
    run("--data", data, "create", "weather")
    heading, *rows = run("--data", data, "loops").stdout.splitlines()
    assert heading.split()[:2] == ["loop", "events"]
    assert [row.split()[0] for row in rows] == ["news", "weather"]
    listed = json.loads(run("--data", data, "loops", "--json").stdout)
    assert [entry["name"] for entry in listed] == ["news", "weather"]
    assert [entry["published"] for entry in listed] == [3, 0]
    assert rows[0].split()[2:5] == [
        str(listed[0]["counts"]["Ranked"]),
        str(listed[0]["counts"]["Rewarded"]),
        "3",
    ]


def test_where_there_is_no_loop_the_way_to_one_is_said(run):
    assert "`loopledger create LOOP` makes one" in run("loops").stdout
    assert json.loads(run("loops", "--json").stdout) == []


def test_a_copy_goes_by_its_folders_name(run, data):
    shutil.copytree(data / "news", data / "copy")
    assert [entry["name"] for entry in json.loads(run("--data", data, "loops", "--json").stdout)] == [
        "copy",
        "news",
    ]
    assert run("--data", data, "status", "copy").stdout.split()[:2] == ["loop", "copy"]
    assert json.loads(run("--data", data, "verify", "copy", "--json").stdout)[0]["loop"] == "copy"


@pytest.mark.parametrize("content", [b"", b"rubbish" * 2000])
def test_one_damaged_loop_does_not_hide_the_others(run, data, content):
    (data / "broken").mkdir()
    (data / "broken" / "log.db").write_bytes(content)
    result = run("--data", data, "loops", code=3)
    assert [line.split()[0] for line in result.stdout.splitlines()[:2]] == ["loop", "news"]
    assert "loopledger: broken: the " in result.output
    assert "loopledger: broken: the " in run("--data", data, "loops", "--json", code=3).output


def test_other_folders_are_no_loops(run, data):
    (data / ".creating-weather").mkdir()
    (data / ".creating-weather" / "log.db").touch()
    (data / "notes").mkdir()
    (data / "picture.png").touch()
    assert [entry["name"] for entry in json.loads(run("--data", data, "loops", "--json").stdout)] == ["news"]


def test_the_ready_policies_are_those_of_the_package(run):
    ready = {name: vars_of(policy) for name, policy in loopledger.ready_policies().items()}
    assert json.loads(run("policies", "--json").stdout) == ready
    assert "personalizer-default" in ready


def test_a_policy_is_one_line_however_long(run):
    lines = run("policies").stdout.splitlines()[1:]
    for line, (name, policy) in zip(lines, loopledger.ready_policies().items(), strict=True):
        assert line.split(None, 1) == [name, policy.arguments] or line.rstrip().endswith(policy.arguments)


@pytest.mark.parametrize("name", sorted(loopledger.ready_policies()))
def test_every_ready_policy_makes_a_loop(run, name):
    run("create", "news", "--policy", name)
    assert status(run, "news")["policy"] == vars_of(loopledger.ready_policy(name))


def vars_of(policy):
    return {"name": policy.name, "arguments": policy.arguments}
