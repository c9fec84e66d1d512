"""`loopledger model`: write a model as it was."""

import sys
from pathlib import Path

import click

from loopledger.adapters.cli.folder import moment_or_seq, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, progress
from loopledger.errors import Conflict


@click.command
@click.argument("loop")
@click.option("--version", type=click.IntRange(1), help="This version.")
@click.option(
    "--as-of",
    "moment",
    metavar="TIME|SEQ",
    help="The one that answered at this time (ISO 8601), or after this event.",
)
@click.option("--time", metavar="TIME", help="The same, for a time.")
@click.option("--seq", type=click.IntRange(1), help="The same, for an event.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; - is stdout.  [default: LOOP-VERSION.vw]",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to choose, and where it goes
    data: Path,
    loop: str,
    *,
    version: int | None,
    moment: str | None,
    time: str | None,
    seq: int | None,
    out: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Write a model of LOOP: by default the one that answers now.

    It is rebuilt from the log if its bytes are not kept, and compared with the log's SHA-256.
    """
    if sum(given is not None for given in (version, moment, time, seq)) > 1:
        raise click.UsageError("give one of --version, --as-of, --time and --seq")
    stdout = str(out) == "-"
    if stdout and json_:
        raise click.UsageError("give one of --json and --out -: both would go to stdout")
    if out is not None and not stdout:
        _spare(out, force)
    asked = moment_or_seq(moment)
    if time is not None:
        asked["time"] = time
    if seq is not None:
        asked["seq"] = seq
    with views(data, (loop,)) as (view,), progress("rebuilding") as tell:
        model = view.model(version, progress=tell, **asked)
    if stdout:
        sys.stdout.buffer.write(model.data)
        return
    path = out or Path(f"{loop}-{model.version}.vw")
    _spare(path, force)
    path.write_bytes(model.data)
    if json_:
        print_json({**model.as_dict(), "file": str(path)})
    else:
        print_facts(
            [
                ("file", path),
                ("version", model.version),
                ("sha256", model.sha256),
                ("bytes", len(model.data)),
                ("policy", f"{model.policy.name}: {model.policy.arguments}"),
                ("engine", model.engine),
            ]
        )


def _spare(path: Path, force: bool) -> None:
    """Refuse a file that is there; asked before a model is rebuilt for nothing, where that can be."""
    if path.is_file() and not force:
        raise Conflict(f"{path} is there already: --force writes over it, --out names another file")
