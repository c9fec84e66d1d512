"""`loopledger loops`: the loops of the data folder."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.place import loop_names
from loopledger.errors import LoopledgerError
from loopledger.reports import Status


@click.command
@as_json
@click.pass_obj
def command(data: Path, json_: bool) -> None:
    """List the loops."""
    names = tuple(loop_names(data))
    if not names:
        if json_:
            print_json([])
        else:
            click.echo(f"there is no loop in {data}: `loopledger create LOOP` makes one")
        return
    statuses: list[Status] = []
    damaged: list[str] = []
    with views(data, names) as found:
        for view in found:
            try:
                statuses.append(view.status())
            except LoopledgerError as error:
                damaged.append(f"{view.name}: {error}")
    if json_:
        print_json(statuses)
    else:
        _print(statuses)
    if damaged:
        raise LoopledgerError("; ".join(damaged))


def _print(statuses: list[Status]) -> None:
    rows = [
        (
            status.name,
            status.events,
            status.counts.get("Ranked", 0) + status.counts.get("SlotsRanked", 0),
            status.counts.get("Rewarded", 0),
            status.published,
            text(status.at),
        )
        for status in statuses
    ]
    print_table(("loop", "events", "decisions", "rewards", "model", "last event"), rows)
