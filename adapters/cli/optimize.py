"""`loopledger optimize`: search for a learning policy that would have earned more."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import click
import msgspec
from rich.console import Console

from loopledger.adapters.cli.create import read_policy
from loopledger.adapters.cli.evaluation_output import Shown, print_evaluation, shown_options
from loopledger.adapters.cli.folder import NoTimers, names_in, number_or_text, views
from loopledger.adapters.cli.output import counted
from loopledger.adapters.embedding.building import Policy
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.optimizing import check_optimization
from loopledger.errors import Conflict, LoopInUse, NotFound
from loopledger.evaluation.automatic import is_surely_better
from loopledger.evaluation.outcome import SearchProgress, SearchStanding
from loopledger.evaluation.report import Evaluation
from loopledger.policy import LearningPolicy

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    found = _SPAN.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter("must be a time span such as 90s, 5m or 1h")
    return float(found[1]) * _SECONDS[found[2] or "s"]


class _Asked(TypedDict):
    policies: dict[str, Policy]
    budget: float | None
    trials: int | None
    since: Bound
    until: Bound
    held_out: float
    seed: int


@click.command
@click.argument("loop")
@click.option(
    "--budget", callback=_seconds, metavar="SPAN", help="How long it may take: 90s, 5m (the default), 1h."
)
@click.option("--trials", type=click.IntRange(1), help="How many policies to try at most.")
@click.option(
    "--policy",
    "policies",
    metavar="NAME|FILE",
    multiple=True,
    help="Try this one too, and judge it; may be given several times.",
)
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@click.option(
    "--held-out",
    type=float,
    default=0.25,
    show_default=True,
    metavar="SHARE",
    help="The share of the decisions, the last ones, that the search never sees.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What chance begins with.")
@click.option("--name", default="optimization", show_default=True, help="What to call it.")
@click.option("--id", "evaluation_id", metavar="ID", help="The evaluation's id; by default a new one.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the best policy as a policy file.",
)
@click.option("--apply", is_flag=True, help="Put the best policy in force, if it is surely better.")
@shown_options
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to search
    data: Path,
    loop: str,
    *,
    budget: float | None,
    trials: int | None,
    policies: tuple[str, ...],
    since: str | None,
    until: str | None,
    held_out: float,
    seed: int,
    name: str,
    evaluation_id: str | None,
    save: Path | None,
    apply: bool,
    shown: Shown,
) -> None:
    """Search for a learning policy that would have earned more.

    The search sees the first part of the range; what it finds is judged on the rest, which it never saw.
    A search with the same range and seed goes on where an earlier one stopped.
    """
    names_in(data, (loop,))
    check_optimization()
    asked = _Asked(
        policies={one: read_policy(one) for one in policies},
        budget=300.0 if budget is None and trials is None else budget,
        trials=trials,
        since=None if since is None else number_or_text(since),
        until=None if until is None else number_or_text(until),
        held_out=held_out,
        seed=seed,
    )
    shown.check()
    if save is not None and save.exists() and not shown.force:
        raise Conflict(f"{save} is there already: --force writes over it, --save names another file")
    ident: str | None = None
    applied = False
    try:
        with Ledger(data, clock=NoTimers()) as ledger:
            searched = ledger.loop(loop)
            with _standing() as tell:
                report = searched.optimize(**asked, name=name, evaluation_id=evaluation_id, progress=tell)
            ident = searched.evaluations()[-1].id
            if apply and is_surely_better(report):
                applied = searched.apply_evaluation(ident, _winner(report).name) is not None
    except LoopInUse:
        if apply:
            raise
        click.echo(f"{loop} is open in another process: it is searched, and nothing is recorded", err=True)
        with views(data, (loop,)) as (view,), _standing() as tell:
            report = view.optimize(**asked, progress=tell)
    if save is not None and report.searched is not None and report.searched.winner is not None:
        save.write_bytes(msgspec.json.format(msgspec.json.encode(_winner(report))) + b"\n")
    print_evaluation(report, ident, shown)
    if not shown.json_:
        _say(loop, report, ident, save, wanted=apply, applied=applied)


def _winner(report: Evaluation) -> LearningPolicy:
    for judged in report.policies:
        if report.searched is not None and judged.name == report.searched.winner:
            return LearningPolicy(judged.name, judged.arguments)
    raise NotFound("no better policy was found")


def _say(
    loop: str, report: Evaluation, ident: str | None, save: Path | None, *, wanted: bool, applied: bool
) -> None:
    searched = report.searched
    if searched is None:
        return
    ended = f"{searched.stopped:,} given up early, {searched.failed:,} failed"
    click.echo(f"\ntried {counted(searched.trials, 'policy').replace('policys', 'policies')} ({ended})")
    if searched.winner is None:
        return
    click.echo(f"best: {_winner(report).arguments}")
    if save is not None:
        click.echo(f"{save} holds it")
    if applied:
        click.echo(
            f"it is in force, and has learned the past; `loopledger rollback {loop} --policy` takes it back"
        )
    elif wanted:
        click.echo("it is not applied: that it is better than what decided is not certain enough")
    elif ident is not None:
        click.echo(f"`loopledger evaluations apply {loop} {ident} {searched.winner}` puts it in force")


@contextmanager
def _standing() -> Generator[SearchProgress]:
    """Show on the terminal how a search stands; elsewhere show nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("searching") as status:

        def tell(standing: SearchStanding) -> None:
            best = "" if standing.best is None else f", best so far seems {standing.best.average_reward:.4g}"
            status.update(f"searching: {standing.trials:,} tried, {standing.stopped:,} given up early{best}")

        yield tell
