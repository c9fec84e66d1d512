"""`loopledger features`: which features there are, how much they matter, and which are of no use."""

from collections.abc import Sequence
from pathlib import Path

import click

from loopledger.adapters.cli.folder import number_or_text, views
from loopledger.adapters.cli.output import as_json, counted, print_json, print_table, progress
from loopledger.evaluation.importance import METHODS, Method
from loopledger.evaluation.presence import COUNTED
from loopledger.evaluation.report import FeatureImportance, FeatureScore


@click.command
@click.argument("loop")
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="approximate",
    show_default=True,
    help="Read off the model, or learn again without each.",
)
@click.option("--most", type=click.IntRange(1), default=30, show_default=True, help="Features to print.")
@as_json
@click.pass_obj
def command(
    data: Path,
    loop: str,
    *,
    since: str | None,
    until: str | None,
    method: Method,
    most: int,
    json_: bool,
) -> None:
    """Say which features the decisions of LOOP have.

    And how much each matters, 100 for the one that matters most. Those that the model cannot learn
    from are named: never or nearly never there, always the same, or new at every event.
    """
    with views(data, (loop,)) as (view,), progress(f"reading {loop}") as tell:
        found = view.features(
            None if since is None else number_or_text(since),
            None if until is None else number_or_text(until),
            method=method,
            progress=tell,
        )
    if json_:
        print_json(found)
        return
    click.echo(
        f"{counted(found.decisions, 'decision')} of {found.loop}, events {found.first:,} to {found.last:,}\n"
    )
    _table(found, "namespace", found.namespaces)
    click.echo("")
    _table(found, "feature", found.features[:most])
    if len(found.features) > most:
        click.echo(f"{counted(len(found.features) - most, 'feature')} more: --most, or --json for all")
        remarked = [one for one in found.features[most:] if one.remark]
        if remarked:
            click.echo("\nremarks about those:")
            _table(found, "feature", remarked[:most])
    for caution in found.cautions:
        click.echo(f"\n{caution.says}", err=True)


def _table(found: FeatureImportance, what: str, scores: Sequence[FeatureScore]) -> None:
    again = found.method == "leave-one-out"
    columns = [what, "matters", *(["reward without"] if again else []), "present", "values", "remark"]
    rows = [
        [
            one.namespace if one.feature is None else f"{one.namespace}.{one.feature}",
            f"{one.score:.1f}",
            *([_reward(one)] if again else []),
            f"{one.present:.1%}",
            f"{one.values:,}{'+' if one.values >= COUNTED else ''}",
            one.remark or "",
        ]
        for one in scores
    ]
    print_table(columns, rows)


def _reward(score: FeatureScore) -> str:
    return "" if score.reward_without is None else f"{score.reward_without:.4f}"
