"""The server's configuration: flags over environment over file over defaults."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from msgspec import Meta

from loopledger.adapters.signed_model import plain_fingerprint
from loopledger.errors import InvalidRequest, LoopledgerError
from loopledger.settings import Settings, settings_from

_HEX = frozenset("0123456789abcdef")
_PREFIX = "LOOPLEDGER_SERVER_"
_Pem = Annotated[str, Meta(min_length=1, description="the path of a file in PEM")]


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set about `loopledger serve`; what each must be stands beside it.

    `config/default.toml` explains them.
    """

    data: Annotated[str, Meta(min_length=1, description="the path of a folder")] = "loopledger-data"
    host: Annotated[
        str, Meta(pattern=r"^[0-9A-Za-z.:%_-]{1,253}\Z", description="an address of this machine or its name")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="a whole number from 0 to 65535")] = 8765
    certificate: _Pem | None = None
    private_key: _Pem | None = None
    trust: Annotated[
        tuple[str, ...], Meta(max_length=1000, description="SHA-256 fingerprints, 64 hexadecimal digits each")
    ] = ()
    grace: Annotated[float, Meta(ge=1, le=3600, description="a number of seconds from 1 to 3600")] = 30.0
    patience: Annotated[float, Meta(ge=0.1, le=3600, description="a number of seconds from 0.1 to 3600")] = (
        30.0
    )
    most_at_once: Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")] = (
        4096
    )
    open_loops: Annotated[int, Meta(ge=1, le=100_000, description="a whole number from 1 to 100000")] = 256
    evaluations_at_once: Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64")] = 2


FIELDS = {field.name: field for field in msgspec.structs.fields(ServerConfig)}
"""Everything that can be set, by name."""

ENVIRONMENT = {"LOOPLEDGER_DATA" if name == "data" else f"{_PREFIX}{name.upper()}": name for name in FIELDS}
"""Which variable sets what; every command reads LOOPLEDGER_DATA, so the server has no other name for it."""


class Mistake(NamedTuple):
    """Something in the configuration that cannot be used.

    Attributes:
        origin: Where it stands: a file, an environment variable or a flag.
        problem: What is wrong with it and what it must be; never the value itself.

    """

    origin: str
    problem: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.problem}"


class Misconfigured(LoopledgerError):
    """The server cannot be configured like this.

    Attributes:
        mistakes: Every one that was found.

    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, self.mistakes)))


class Configuration(NamedTuple):
    """A configuration in force.

    Attributes:
        server: The values.
        origins: Where each came from, by name.

    """

    server: ServerConfig
    origins: dict[str, str]


def configure(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Configuration:
    """Return the configuration that a file, the environment and flags come to.

    Args:
        file: A TOML file like config/default.toml, if there is one.
        environment: The environment; an empty variable counts as none.
        flags: What was said on the command line, by name.

    Raises:
        OSError: The file cannot be read.
        Misconfigured: There are mistakes; it has all of them.

    """
    mistakes: list[Mistake] = []
    said: dict[str, tuple[object, str, bool]] = {}
    if file is not None:
        for name, value in _from_file(file, mistakes).items():
            said[name] = (value, f"{file}: server.{name}", True)
    for name, value in _from_environment(environment, mistakes).items():
        said[ENVIRONMENT[name]] = (value, name, False)
    for name, value in flags.items():
        said[name] = (value, f"--{name.replace('_', '-')}", False)
    values: dict[str, Any] = {}
    for name, (value, origin, typed) in said.items():
        try:
            values[name] = _converted(name, value, strict=typed)
        except (msgspec.ValidationError, ValueError):
            mistakes.append(Mistake(origin, f"must be {_wanted(name)}"))
    origins = {name: said[name][1] if name in said else "default" for name in FIELDS}
    mistakes += _about_files(values, said, origins)
    if mistakes:
        raise Misconfigured(mistakes)
    return Configuration(ServerConfig(**values), origins)


def _from_file(file: Path, mistakes: list[Mistake]) -> dict[str, object]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        mistakes.append(Mistake(str(file), f"is no TOML file: {error}"))
        return {}
    mistakes += _unknown(tables, ("server", "settings"), str(file))
    settings = tables.get("settings", {})
    if isinstance(settings, dict) and (
        unknown := _unknown(settings, Settings.__struct_fields__, f"{file}: settings")
    ):
        mistakes += unknown
    else:
        try:
            settings_from(settings)
        except InvalidRequest as error:
            mistakes.append(Mistake(str(file), str(error)))
    server = tables.get("server", {})
    if not isinstance(server, dict):
        mistakes.append(Mistake(f"{file}: server", "must be a table: write [server] above the values"))
        return {}
    mistakes += _unknown(server, FIELDS, f"{file}: server")
    return {name: value for name, value in server.items() if name in FIELDS}


def _from_environment(environment: Mapping[str, str], mistakes: list[Mistake]) -> dict[str, object]:
    ours = {name for name in environment if name.startswith(_PREFIX)}
    mistakes += _unknown(sorted(ours), ENVIRONMENT, "the environment")
    found: dict[str, object] = {}
    for name, field in ENVIRONMENT.items():
        if text := environment.get(name):
            found[name] = [part for part in text.split(",") if part.strip()] if field == "trust" else text
    return found


def _unknown(names: Iterable[str], known: Iterable[str], where: str) -> list[Mistake]:
    known = tuple(known)
    mistakes: list[Mistake] = []
    for name in names:
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.5)
            out = f"did you mean {nearest[0]}?" if nearest else f"there is {', '.join(known)}"
            mistakes.append(Mistake(where, f"there is no {name!r}; {out}"))
    return mistakes


def _converted(name: str, value: object, *, strict: bool) -> object:
    """Return a value of the field's type and within its limits.

    Raises:
        ValueError: It is not.

    """
    found: Any = msgspec.convert(value, FIELDS[name].type, strict=strict)
    if (isinstance(found, float) and not math.isfinite(found)) or (isinstance(found, str) and "\0" in found):
        raise ValueError
    if isinstance(found, tuple):
        found = tuple(map(plain_fingerprint, found))
        if any(len(one) != 64 or not _HEX.issuperset(one) for one in found):  # noqa: PLR2004 - said in the field
            raise ValueError
    return found


def _wanted(name: str) -> str:
    kind = FIELDS[name].type
    (meta,) = (one.__metadata__[0] for one in (kind, *get_args(kind)) if hasattr(one, "__metadata__"))
    return str(meta.description)


def _about_files(
    values: Mapping[str, Any], said: Mapping[str, object], origins: Mapping[str, str]
) -> list[Mistake]:
    pair = ("certificate", "private_key")
    mistakes = [
        Mistake(origins[name], f"is set and {other} is not, and they go together")
        for name, other in (pair, pair[::-1])
        if name in said and other not in said
    ]
    mistakes += [
        Mistake(origins[name], "is no file that is there")
        for name in pair
        if name in values and not Path(values[name]).is_file()
    ]
    if "data" in values and Path(values["data"]).is_file():
        mistakes.append(Mistake(origins["data"], "is a file and must be a folder"))
    return mistakes
