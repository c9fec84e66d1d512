"""`loopledger apprentice`: how well a model imitates its caller, and when it can go Online."""

from pathlib import Path

import click

from loopledger.adapters.cli.chart import draw_text, stretched
from loopledger.adapters.cli.folder import number_or_text, views
from loopledger.adapters.cli.output import as_json, counted, print_facts, print_json, print_table, progress
from loopledger.adapters.embedding.moments import text
from loopledger.evaluation.apprentice import BATCH, Apprentice
from loopledger.evaluation.report import Bounds
from loopledger.evaluation.stretch import Stretch

_DAYS = 14
_FEW = 2


@click.command
@click.argument("loop")
@click.option(
    "--recent", type=click.IntRange(1), default=BATCH, show_default=True, help="The last cases that decide."
)
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, *, recent: int, since: str | None, until: str | None, json_: bool) -> None:
    """Say how well the model of LOOP imitates its caller.

    And whether it is safe to go Online. Decisions count that were made in Apprentice mode and have
    all their rewards. The achievement ratio is the share of the rewards that came where the model
    had chosen the same as the caller. Intervals are of 95 %.
    """
    with views(data, (loop,)) as (view,), progress(f"reading {loop}") as tell:
        found = view.apprentice(
            since=None if since is None else number_or_text(since),
            until=None if until is None else number_or_text(until),
            recent=recent,
            progress=tell,
        )
    if json_:
        print_json(found)
        return
    _answer(found)
    _curve(found)
    _tables(found)


def _answer(found: Apprentice) -> None:
    ready = found.readiness
    colour = {"ready": "green", "not yet": "yellow", "not enough data": "yellow"}[ready.judgement]
    click.secho(ready.says, fg=colour, bold=True)
    for reason in ready.reasons:
        click.echo(f"  {reason}")
    recent = found.recent
    left_out = [f"{count:,} {reason}" for reason, count in found.left_out.items()]
    click.echo("")
    print_facts(
        [
            ("loop", f"{found.loop}, events {found.first:,} to {found.last:,}"),
            ("decisions", found.decisions),
            ("left out", ", ".join(left_out) or "none"),
            ("of the last", counted(recent.number_of_events, "case")),
            ("  the caller earned", _average(recent.baseline_average_reward, recent.baseline_interval)),
            ("  the model would have", _average(recent.imitated_average_reward, recent.imitated_interval)),
            ("  achievement ratio", _ratio(recent)),
            ("  match rate", _percent(recent.match_rate, recent.match_interval)),
            ("  expected at most", f"{recent.plateau:.1%}"),
        ]
    )


def _curve(found: Apprentice) -> None:
    if len(found.batches) < _FEW:
        return
    click.echo(
        f"\nthe match rate, by batches of {BATCH:,} cases; {found.recent.plateau:.0%} at most is expected"
    )
    click.echo(draw_text(stretched([batch.match_rate for batch in found.batches])))


def _tables(found: Apprentice) -> None:
    if len(found.days) > _DAYS:
        click.echo(f"\nthe last {_DAYS} of {len(found.days):,} days (--json has all)")
    else:
        click.echo("\nday by day, in UTC")
    _table("day", [(text(day.since)[:10], day) for day in found.days[-_DAYS:]])
    if found.slots:
        click.echo(f"\nslot by slot, the last {found.recent.number_of_events:,} cases of each at most")
        _table("slot", [(slot.slot, slot.recent) for slot in found.slots])


def _table(what: str, stretches: list[tuple[str, Stretch]]) -> None:
    columns = (what, "cases", "caller's reward", "model's reward", "achievement ratio", "match rate")
    rows = [
        (
            name,
            one.number_of_events,
            f"{one.baseline_average_reward:.4f}",
            f"{one.imitated_average_reward:.4f}",
            _ratio(one),
            _percent(one.match_rate, one.match_interval),
        )
        for name, one in stretches
    ]
    print_table(columns, rows)


def _average(value: float, interval: Bounds) -> str:
    return f"{value:.4f} on average ({interval[0]:.4f} to {interval[1]:.4f})"


def _percent(value: float, interval: Bounds) -> str:
    return f"{value:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def _ratio(stretch: Stretch) -> str:
    if stretch.achievement_ratio is None:
        return "no rewards"
    if stretch.achievement_interval is None:
        return f"{stretch.achievement_ratio:.1%}"
    return _percent(stretch.achievement_ratio, stretch.achievement_interval)
