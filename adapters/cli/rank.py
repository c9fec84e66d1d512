"""`loopledger rank`: what a loop would have answered."""

from pathlib import Path
from typing import BinaryIO

import click

from loopledger.adapters.cli.folder import moment_or_seq, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, print_table, progress
from loopledger.answers import SlotsDecision


@click.command
@click.argument("loop")
@click.argument("request", type=click.File("rb"))
@click.option("--as-of", "moment", metavar="TIME|SEQ", help="The moment; by default now.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, request: BinaryIO, moment: str | None, json_: bool) -> None:
    """Say what LOOP would have answered to REQUEST. Nothing is logged.

    REQUEST is a file, or - for stdin, with a Rank as JSON in the form of Personalizer's; one that has
    slots is a multi-slot Rank.
    """
    with views(data, (loop,)) as (view,), progress("rebuilding") as tell:
        answer = view.rank_as_of(request.read(), progress=tell, **moment_or_seq(moment))
    if json_:
        print_json(answer.as_dict())
        return
    version = f"version {answer.model_version}" if answer.model_version else "no model"
    if isinstance(answer, SlotsDecision):
        print_facts([(slot.slot, slot.action) for slot in answer.slots])
        click.echo(f"(drawn with {version}; nothing was logged)")
        print_table(
            ("slot", "action", "probability"),
            [
                (slot.slot, action.id, f"{action.probability:.4f}")
                for slot in answer.slots
                for action in slot.ranking
            ],
        )
        return
    click.echo(f"{answer.action}  (drawn with {version}; nothing was logged)")
    print_table(
        ("action", "probability"), [(action.id, f"{action.probability:.4f}") for action in answer.ranking]
    )
