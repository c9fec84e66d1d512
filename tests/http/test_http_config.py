"""The server's configuration: flags over environment over file over defaults, and what is wrong with it."""

import json
import tomllib
from importlib.resources import files

import msgspec
import pytest

from loopledger.adapters.http.config import ENVIRONMENT, FIELDS, Misconfigured, ServerConfig, configure

DEFAULTS = (files("loopledger.config") / "default.toml").read_text(encoding="utf-8")
PRINT = "0123456789abcdef" * 4
# For each value three others, that must win over each other in this order.
OTHERS = {
    "data": ("a", "b", "c"),
    "host": ("127.0.0.2", "127.0.0.3", "::1"),
    "port": (1, 2, 3),
    "trust": ((PRINT,), ("1" * 64,), ("2" * 64, "3" * 64)),
    "grace": (2.5, 3.5, 4.0),
    "patience": (0.5, 1.5, 2.0),
    "most_at_once": (1, 2, 3),
    "open_loops": (1, 2, 3),
    "evaluations_at_once": (1, 3, 4),
}
VARIABLES = {name: variable for variable, name in ENVIRONMENT.items()}


@pytest.fixture
def written(tmp_path):
    """Write a configuration file."""

    def written(text):
        file = tmp_path / "server.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return written


def mistakes(file=None, environment=None, flags=None):
    with pytest.raises(Misconfigured) as caught:
        configure(file, environment or {}, flags or {})
    return list(map(str, caught.value.mistakes))


def test_the_default_file_says_what_the_code_says_and_explains_all_of_it(written):
    assert configure(written(DEFAULTS), {}, {}).server == ServerConfig() == configure(None, {}, {}).server
    text = DEFAULTS.partition("\n[server]\n")[2]
    lines = text.splitlines()
    assert list(
        tomllib.loads(text.replace("# cert", "cert").replace("# private_key =", "private_key ="))
    ) == list(FIELDS)
    for name in FIELDS:
        (at,) = [at for at, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{name} =")]
        assert lines[at - 1].startswith("# "), f"{name} has no comment"


@pytest.mark.parametrize("name", OTHERS)
def test_flags_win_over_the_environment_over_the_file_over_the_default(written, name):
    in_file, in_environment, in_flag = OTHERS[name]
    file = written(f"[server]\n{name} = {msgspec.json.encode(in_file).decode()}\n")
    plain = ",".join(in_environment) if name == "trust" else str(in_environment)
    flag = in_flag if name == "trust" else str(in_flag)
    for environment, flags, value, origin in (
        ({}, {}, in_file, f"{file}: server.{name}"),
        ({VARIABLES[name]: ""}, {}, in_file, f"{file}: server.{name}"),
        ({VARIABLES[name]: plain}, {}, in_environment, VARIABLES[name]),
        ({VARIABLES[name]: plain}, {name: flag}, in_flag, f"--{name.replace('_', '-')}"),
    ):
        found = configure(file, environment, flags)
        assert getattr(found.server, name) == value
        assert found.origins == {one: origin if one == name else "default" for one in FIELDS}


def test_every_value_is_tried():
    assert set(OTHERS) | {"certificate", "private_key"} == set(FIELDS)


def test_files_are_looked_for_wherever_they_are_named(written, tmp_path):
    pem = tmp_path / "tls.pem"
    pem.touch()
    file = written(f"[server]\ncertificate = '{pem}'\n")
    found = configure(file, {"LOOPLEDGER_SERVER_PRIVATE_KEY": str(pem)}, {}).server
    assert found.certificate == found.private_key == str(pem)
    (alone,) = mistakes(file)
    assert alone == f"{file}: server.certificate: is set and private_key is not, and they go together"
    (gone,) = mistakes(file, {}, {"private_key": str(tmp_path)})
    assert gone == "--private-key: is no file that is there"
    (data,) = mistakes(None, {"LOOPLEDGER_DATA": str(pem)})
    assert data == "LOOPLEDGER_DATA: is a file and must be a folder"


def test_a_fingerprint_may_be_written_in_any_of_its_forms():
    colons = ":".join(PRINT[at : at + 2] for at in range(0, 64, 2)).upper()
    found = configure(None, {"LOOPLEDGER_SERVER_TRUST": f"{colons}, {PRINT}"}, {})
    assert found.server.trust == (PRINT, PRINT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("port", value) for value in ("-1", "65536", "8765.5", "true", '"8765"', "[]", "9" * 4000)),
        *(("grace", value) for value in ("0", "0.99", "3601", "nan", "inf", "-inf", "false", '"30"')),
        *(("most_at_once", value) for value in ("0", "1000001", "1.5")),
        *(("open_loops", value) for value in ("0", "100001")),
        *(("evaluations_at_once", value) for value in ("0", "65", "1.5")),
        *(("host", value) for value in ('""', '"a b"', "1", '"a\\u0000"', '"a\\n"')),
        *(("certificate", value) for value in ('""', "1", "[]")),
        *(("data", value) for value in ('""', "1", '"a\\u0000b"')),
        *(
            ("trust", value)
            for value in (f'"{PRINT}"', '["f29c"]', f'["{PRINT}0"]', f'["{"g" * 64}"]', "[1]")
        ),
    ],
)
def test_what_a_value_may_not_be(written, name, value):
    file = written(f"[server]\n{name} = {value}\n")
    said = mistakes(file)[0]
    assert said.startswith(f"{file}: server.{name}: must be ")


@pytest.mark.parametrize("value", ["x", "-1", "65536", "1e9", "tcp://10.0.0.1:80", "9" * 5000, "\udcff"])
def test_what_a_variable_or_a_flag_may_not_be(value):
    wanted = "must be a whole number from 0 to 65535"
    assert mistakes(None, {"LOOPLEDGER_SERVER_PORT": value}) == [f"LOOPLEDGER_SERVER_PORT: {wanted}"]
    assert mistakes(None, {}, {"port": value}) == [f"--port: {wanted}"]


def test_an_unknown_name_is_refused_with_the_nearest(written):
    file = written("[server]\nprot = 1\n\n[settings]\nreward_wait = 1.0\n\n[serve]\nport = 1\n")
    assert mistakes(file, {"LOOPLEDGER_SERVER_HOTS": "x", "LOOPLEDGER_OTHER": "x"}) == [
        f"{file}: there is no 'serve'; did you mean server?",
        f"{file}: settings: there is no 'reward_wait'; did you mean reward_wait_time?",
        f"{file}: server: there is no 'prot'; did you mean port?",
        "the environment: there is no 'LOOPLEDGER_SERVER_HOTS'; did you mean LOOPLEDGER_SERVER_HOST?",
    ]
    (far,) = mistakes(written("[server]\nqqqq = 1\n"))
    assert far.endswith(f"there is {', '.join(FIELDS)}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server", "is no TOML file"),
        ("x = " + "[" * 5000, "is no TOML file"),
        ("x = " + "9" * 5000, "is no TOML file"),
        ("server = 1", "must be a table"),
        ("settings = 1", "settings: "),
        ("[settings]\nreward_wait_time = 0", "reward_wait_time: must lie between"),
    ],
)
def test_a_file_that_cannot_be_used(written, text, says):
    (said,) = mistakes(written(text))
    assert says in said


def test_bytes_that_are_no_text(tmp_path):
    file = tmp_path / "server.toml"
    file.write_bytes(b"\xff\xfe")
    (said,) = mistakes(file)
    assert "is no TOML file" in said


def test_a_server_goes_by_it(run, written, monkeypatch, tmp_path):
    from loopledger.adapters.http import app, serving

    seen = {}

    def build(folder, **more):
        seen.update(more, folder=str(folder))

    def serve(_, place, times, ready):
        seen.update(place._asdict(), **times._asdict())
        ready("http://127.0.0.1:1")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "build_app", build)
    monkeypatch.setattr(serving, "serve", serve)
    file = written('[server]\nport = 1\nhost = "127.0.0.2"\ngrace = 5\nopen_loops = 7\ndata = "mine"\n')
    monkeypatch.setenv("LOOPLEDGER_SERVER_HOST", "127.0.0.3")
    monkeypatch.setenv("LOOPLEDGER_CONFIG", str(file))
    monkeypatch.delenv("LOOPLEDGER_DATA", raising=False)
    said = run("serve", "--port", "2", "--trust", PRINT, "--json").stdout
    assert json.loads(said)["data"].endswith("/mine")
    assert seen == {
        "folder": "mine",
        "trusted": (PRINT,),
        "most_at_once": 4096,
        "open_loops": 7,
        "host": "127.0.0.3",
        "port": 2,
        "certificate": None,
        "private_key": None,
        "grace": 5.0,
        "patience": 30.0,
        "evaluations_at_once": 2,
    }
    run("--data", "here", "serve", "--config", file)
    assert (seen["folder"], seen["port"]) == ("here", 1)
    # A flag that cannot be understood is the command's fault; the file's faults are not.
    assert "--port: must be" in run("serve", "--port", "x", code=2).output
    file.write_text("[server]\nport = -1\n", encoding="utf-8")
    assert "server.port: must be" in run("serve", code=3).output
