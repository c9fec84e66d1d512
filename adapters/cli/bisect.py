"""`loopledger bisect`: which decisions changed what a loop answers."""

from pathlib import Path
from typing import BinaryIO

import click

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, narrator, print_json

_SHOWN = 10


@click.command
@click.argument("loop")
@click.option(
    "--context",
    "request",
    type=click.File("rb"),
    metavar="REQUEST",
    required=True,
    help="A Rank as JSON: context and actions, and slots if there are any; - is stdin.",
)
@click.option(
    "--expect", metavar="ACTION", required=True, help="The action that used to be the most probable."
)
@click.option("--slot", metavar="SLOT", help="For this slot; by default the first one.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, *, request: BinaryIO, expect: str, slot: str | None, json_: bool) -> None:
    """Find the decisions that changed what LOOP answers.

    Versions are rebuilt, then parts of one version's training, until it is known which decisions it
    was. Of several slots it looks at one; those before it take what the same model finds the most probable.
    """
    with views(data, (loop,)) as (view,):
        found = view.bisect(request.read(), expect, narrator(), slot=slot)
    if json_:
        print_json(found)
        return
    before = f"version {found.before}" if found.before else "no model"
    where = "" if found.slot is None else f"for slot {found.slot} "
    click.echo(f"{where}{before} answers {found.expected}; version {found.version} answers {found.instead}.")
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
