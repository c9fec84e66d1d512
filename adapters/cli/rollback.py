"""`loopledger rollback`: go back to an older model."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import NoTimers, names_in
from loopledger.adapters.cli.output import as_json, print_json
from loopledger.adapters.embedding.ledger import Ledger


@click.command
@click.argument("loop")
@click.argument("version", type=click.IntRange(1))
@as_json
@click.pass_obj
def command(data: Path, loop: str, version: int, json_: bool) -> None:
    """Let LOOP decide with VERSION from here on.

    It may be an older one, or the newest again. Training goes on, but new versions are not
    published by themselves until the newest is published again.
    """
    names_in(data, (loop,))
    with Ledger(data, clock=NoTimers()) as ledger:
        receipt = ledger.loop(loop).publish(version)
    if json_:
        print_json({"loop": loop, "version": version, "seq": receipt.seq, "at": receipt.at})
    else:
        click.echo(f"version {version} answers from event {receipt.seq:,} on")
