"""`loopledger config`: what `loopledger serve` would go by, and where each value comes from."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.http.config import Configuration, Misconfigured, configure

_FILE = click.Path(dir_okay=False, path_type=Path)
_VARIABLE = "LOOPLEDGER_CONFIG"


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names a configuration file."""
    said = f"A file like config/default.toml; {_VARIABLE} names it too."
    return click.option("--config", "file", type=_FILE, envvar=_VARIABLE, help=said)(function)


def configured(ctx: click.Context, file: Path | None, flags: dict[str, Any] | None = None) -> Configuration:
    """Return the configuration that a command was called with.

    Raises:
        Misconfigured: There are mistakes.

    """
    given = {name: value for name, value in (flags or {}).items() if value not in {None, ()}}
    # The data folder is an option of the front door, which has looked into the environment already.
    if ctx.find_root().get_parameter_source("data") is ParameterSource.COMMANDLINE:
        given["data"] = str(ctx.obj)
    return configure(file, os.environ, given)


@click.group
def command() -> None:
    """Check the configuration of `loopledger serve`.

    Flags win over environment variables, these over the file, and the file over the defaults.
    config/default.toml explains every value. The command below has --json.
    """


@command.command
@click.argument("file", type=_FILE, envvar=_VARIABLE, required=False)
@as_json
@click.pass_context
def check(ctx: click.Context, file: Path | None, json_: bool) -> None:
    """Print every value in force and where it comes from, or what is wrong with FILE and the environment.

    Without FILE, LOOPLEDGER_CONFIG names one; without either, it is the environment and the defaults.
    Settings of loops in the file are checked too.
    """
    try:
        server, origins = configured(ctx, file)
    except Misconfigured as error:
        if json_:
            print_json({"values": [], "mistakes": [one._asdict() for one in error.mistakes]})
        for mistake in error.mistakes:
            click.secho(f"loopledger: {mistake}", fg="red", err=True)
        raise click.exceptions.Exit(3) from None
    values = msgspec.structs.asdict(server)
    if json_:
        listed = [{"name": name, "value": value, "origin": origins[name]} for name, value in values.items()]
        print_json({"values": listed, "mistakes": []})
    else:
        print_table(
            ("name", "value", "from"),
            [(name, _shown(value), origins[name]) for name, value in values.items()],
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else str(value)
