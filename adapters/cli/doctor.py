"""`loopledger doctor`: what is wrong with this machine and these loops?"""

from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import names_in
from loopledger.adapters.cli.output import as_json, counted, print_json
from loopledger.adapters.doctor.diagnose import diagnose
from loopledger.adapters.place import loop_names
from loopledger.adapters.system_clock import SystemClock
from loopledger.health import Diagnosis

_FOUND_SOMETHING = 1
_COLOURS = {"ok": "green", "note": "blue", "warning": "yellow", "problem": "red"}


@click.command
@click.argument("loops", nargs=-1)
@as_json
@click.pass_context
def command(ctx: click.Context, loops: tuple[str, ...], *, json_: bool) -> None:
    """Say what is wrong, or might go wrong, here.

    This machine, the data folder and LOOPS, or all loops, are looked at. Nothing is changed, and
    whoever has a loop open is not disturbed; how long an fsync takes is tried with a file that is
    removed again. The exit code is 1 if there is a problem.
    """
    data: Path = ctx.obj
    names = names_in(data, loops) if loops else loop_names(data)
    found = diagnose(data.absolute(), list(dict.fromkeys(loops or names)), SystemClock().now())
    if json_:
        print_json({**msgspec.to_builtins(found), "healthy": found.healthy})
    else:
        _print(found)
    if not found.healthy:
        ctx.exit(_FOUND_SOMETHING)


def _print(found: Diagnosis) -> None:
    width = max(len(level) for level in _COLOURS)
    for finding in found.findings:
        level = click.style(f"{finding.level:<{width}}", fg=_COLOURS[finding.level])
        click.echo(f"{level}  {finding.subject}: {finding.found}")
        if finding.advice:
            click.echo(f"{'':<{width}}  -> {finding.advice}")
    problems, warnings = (len(found.of(level)) for level in ("problem", "warning"))
    summary = f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}"
    click.echo(f"{summary}; of each log its end was read: `loopledger verify` reads all of it")
