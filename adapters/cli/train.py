"""`loopledger train`: learn what can be learned now."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import NoTimers, names_in
from loopledger.adapters.cli.output import as_json, print_json, progress
from loopledger.adapters.embedding.ledger import Ledger


@click.command
@click.argument("loop")
@as_json
@click.pass_obj
def command(data: Path, loop: str, json_: bool) -> None:
    """Learn all decisions of LOOP whose reward wait time is over."""
    names_in(data, (loop,))
    with Ledger(data, clock=NoTimers()) as ledger, progress(f"training {loop}") as tell:
        versions = ledger.loop(loop).train(progress=tell)
    if json_:
        print_json({"loop": loop, "versions": versions})
    elif versions:
        click.echo(f"made version{'s' if len(versions) > 1 else ''} {', '.join(map(str, versions))}")
    else:
        click.echo("there is nothing to learn: no reward wait time has passed since the last training")
