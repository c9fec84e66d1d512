"""`loopledger diff`: what is different between two versions or moments."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import number_or_text, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, print_table, progress
from loopledger.adapters.embedding.moments import text
from loopledger.audit.difference import ProbabilityMove, Side


@click.command
@click.argument("loop")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--most", type=click.IntRange(1), default=10, show_default=True, help="Moves to print.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, *, first: str, second: str, most: int, json_: bool) -> None:
    """Compare two versions or moments A and B of LOOP.

    Each is a version's number, @ and the seq of an event, or a time (ISO 8601). Both are asked about
    the loop's own most recent contexts, and for each slot about the actions that the slots before it
    really left.
    """
    with views(data, (loop,)) as (view,), progress("rebuilding") as tell:
        found = view.diff(number_or_text(first), number_or_text(second), tell)
    if json_:
        print_json(found)
        return
    print_facts([("A", _described(found.first)), ("B", _described(found.second))])
    if found.first.policy != found.second.policy:
        print_facts([("policy A", found.first.policy.arguments), ("policy B", found.second.policy.arguments)])
    for one in found.settings:
        click.echo(f"{one.setting}: {one.first} and {one.second}")
    slots = found.first.policy.multi_slot
    what = f"{found.choices:,} slots of the last" if slots else "last"
    if not found.contexts:
        click.echo("\nThere is no context yet to ask them about.")
        return
    click.echo(
        f"\nOf the {what} {found.contexts:,} contexts, {found.other_best:.1%} have another most probable"
        " action."
    )
    if found.probabilities:
        click.echo("\nprobabilities that moved most:")
        print_table(
            ("decision", *(("slot",) if slots else ()), "action", "A", "B"),
            [_moved(move) for move in found.probabilities[:most]],
        )
    if found.weights:
        click.echo("\nweights that moved most (less is better: they add up to an estimated cost):")
        print_table(
            ("feature", "A", "B"),
            [(move.feature, f"{move.first:+.6f}", f"{move.second:+.6f}") for move in found.weights[:most]],
        )


def _moved(move: ProbabilityMove) -> tuple[str, ...]:
    slot = () if move.slot is None else (move.slot,)
    return move.event_id, *slot, move.action, f"{move.first:.4f}", f"{move.second:.4f}"


def _described(side: Side) -> str:
    model = f"version {side.version}" if side.version else "no model"
    return f"{model} ({side.policy.name}), event {side.seq:,}, {text(side.at)}"
