"""`loopledger backup`: a copy of loops that go on meanwhile."""

from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import NoTimers, names_in
from loopledger.adapters.cli.output import as_json, counted, print_json, print_table, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.moments import text


@click.command
@click.argument("loops", nargs=-1)
@click.option(
    "--out",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to make, whole or not at all, outside the data folder.",
)
@click.option("--without-keys", is_flag=True, help="Leave out the server's keys and the signing key pair.")
@click.option("--force", is_flag=True, help="Replace the backup if there is one.")
@as_json
@click.pass_obj
def command(
    data: Path, loops: tuple[str, ...], *, out: Path, without_keys: bool, force: bool, json_: bool
) -> None:
    """Copy LOOPS, or all loops, while they go on.

    Every log is copied as it is at one moment, with the models that are kept beside it, and the
    copy's chain is checked. `loopledger restore` puts loops back. The hashes of the server's keys
    come along, and the key pair that signs models: keep the backup as safe as the data folder.
    """
    names_in(data, loops)
    with Ledger(data, clock=NoTimers()) as ledger, progress("backing up") as tell:
        made = ledger.backup(out, *loops, keys=not without_keys, force=force, progress=tell)
    if json_:
        print_json({"folder": str(out.absolute()), **msgspec.to_builtins(made)})
        return
    print_table(
        ("loop", "events", "models", "last event"),
        [(loop.name, loop.seq, len(loop.models), text(loop.at)) for loop in made.loops],
    )
    size = sum(file.size for file in made.files.values())
    click.echo(f"{out} holds {counted(len(made.loops), 'loop')} in {size:,} bytes, as of {text(made.at)}")
