"""`loopledger keys`: the keys with which clients of `loopledger serve` name their loop."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import names_in
from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.http.keys import NAMES, create_key, list_keys, revoke_key


@click.group
def command() -> None:
    """Make, list and revoke keys for `loopledger serve`.

    A loop has up to two, key1 and key2, so that one can be replaced while clients use the other.
    Only their hashes are kept. Each of these commands has --json.
    """


@command.command
@click.argument("loop")
@click.option("--name", type=click.Choice(NAMES), help="Replace this one; by default the free one is made.")
@as_json
@click.pass_obj
def create(data: Path, loop: str, name: str | None, json_: bool) -> None:
    """Make a key for LOOP and print it, this once."""
    names_in(data, (loop,))
    called, key = create_key(data, loop, name)
    if json_:
        print_json({"loop": loop, "name": called, "key": key})
        return
    click.echo(key)
    click.echo(f"{called} of {loop}; it is kept nowhere, so put it where your application finds it", err=True)


@command.command("list")
@click.argument("loop", required=False)
@as_json
@click.pass_obj
def list_(data: Path, loop: str | None, json_: bool) -> None:
    """List which keys there are, of LOOP or of all loops; not what they are, which nobody knows."""
    if loop is not None:
        names_in(data, (loop,))
    found = [(name, key) for name, key in list_keys(data) if loop in {None, name}]
    if json_:
        print_json([{"loop": name, "name": key} for name, key in found])
    else:
        print_table(("loop", "name"), found)


@command.command
@click.argument("loop")
@click.argument("name", type=click.Choice(NAMES))
@as_json
@click.pass_obj
def revoke(data: Path, loop: str, name: str, json_: bool) -> None:
    """Let the key NAME of LOOP open nothing any more; a running server notices within a moment."""
    revoke_key(data, loop, name)
    if json_:
        print_json({"loop": loop, "name": name, "revoked": True})
    else:
        click.echo(f"revoked {name} of {loop}")
