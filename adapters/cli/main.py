"""`loopledger`: the command line's front door. Each command is imported only when it is called."""

import errno
import importlib
import logging
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click

from loopledger.errors import LogDamaged, LoopledgerError

_COMMANDS = {
    "apprentice": "apprentice",
    "as-of": "as_of",
    "backup": "backup",
    "bisect": "bisect",
    "config": "config",
    "create": "create",
    "demo": "demo",
    "diff": "diff",
    "doctor": "doctor",
    "erase": "erase",
    "evaluate": "evaluate",
    "evaluations": "evaluations",
    "export": "export",
    "features": "features",
    "import": "import_",
    "keys": "keys",
    "log": "log",
    "loops": "loops",
    "model": "model",
    "models": "models",
    "optimize": "optimize",
    "policies": "policies",
    "rank": "rank",
    "relearn": "relearn",
    "restore": "restore",
    "rollback": "rollback",
    "serve": "serve",
    "status": "status",
    "train": "train",
    "verify": "verify",
    "why": "why",
}

FAILED = 3
"""The exit code when a command could not be carried out; 2 is for a command that is not understood."""


class Commands(click.Group):
    """The commands by their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command by its name."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"loopledger.adapters.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what is to be expected of a log or a disk is a sentence, not a traceback."""
        try:
            return super().invoke(ctx)
        except (click.Abort, KeyboardInterrupt):  # click would end with 1, which means a finding here
            _complain("stopped before it was done")
        except (LoopledgerError, OSError, sqlite3.Error) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                # Whoever reads has seen enough; Python must not try again when it ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            else:
                _complain(_sentence(error))
        raise click.exceptions.Exit(FAILED)


def _complain(what: str) -> None:
    click.secho(f"loopledger: {what}", fg="red", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, LogDamaged):
        return f"{error}; `loopledger verify` names all that does not hold"
    if isinstance(error, OSError) and error.strerror is not None:
        where = "" if error.filename is None else f"{error.filename}: "
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        way_out = ": the disk that it goes to is full; make room there, and try again" if full else ""
        return f"{where}{error.strerror}{way_out}"
    return str(error)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LOOPLEDGER_DATA",
    default=Path("loopledger-data"),
    show_default=True,
    help="The data folder; LOOPLEDGER_DATA sets it too.",
)
@click.option("-v", "--verbose", count=True, help="Say what is going on; twice for everything.")
@click.version_option(package_name="loopledger")
@click.pass_context
def main(ctx: click.Context, data: Path, verbose: int) -> None:
    """Contextual-bandit decisions that can be shown again.

    A loop is a folder in the data folder; its log.db holds every decision and all that came of it.

    \b
    Exit codes: 0 all is well, 1 verify or doctor found something,
    2 the command was not understood, 3 it could not be carried out.
    """  # noqa: D301 - click wants the character that a backslash and a b stand for
    ctx.obj = data
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    level = [logging.WARNING, logging.INFO, logging.DEBUG][min(verbose, 2)]
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(message)s")
