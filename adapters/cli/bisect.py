"""`loopledger bisect`: which decisions changed what a loop answers."""

from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, print_json

_SHOWN = 10


@click.command
@click.argument("loop")
@click.option(
    "--context",
    "request",
    type=click.File("rb"),
    required=True,
    help="A Rank as JSON: context and actions; - is stdin.",
)
@click.option("--expect", required=True, help="The action that used to be the most probable.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, *, request: BinaryIO, expect: str, json_: bool) -> None:
    """Find the version, and the decisions, that changed what LOOP answers to a context."""
    console = Console(stderr=True)
    with views(data, (loop,)) as (view,):
        found = view.bisect(
            request.read(), expect, lambda said: console.print(said, style="dim", markup=False)
        )
    if json_:
        print_json(found)
        return
    before = f"version {found.before}" if found.before else "no model"
    click.echo(f"{before} answers {found.expected}; version {found.version} answers {found.instead}.")
    if found.first is None:
        click.echo("No decision did it: a policy was changed, or a model imported.")
        return
    many = len(found.event_ids)
    what = "this decision" if many == 1 else f"these {many:,} decisions"
    click.echo(
        f"It was learning from {what} (event {found.first:,}" + (f" to {found.last:,})" if many > 1 else ")")
    )
    for event_id in found.event_ids[:_SHOWN]:
        click.echo(f"  loopledger why {loop} {event_id}")
