"""`loopledger evaluate`: what other learning policies would have earned."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import click

from loopledger.adapters.cli.create import read_policy
from loopledger.adapters.cli.evaluation_output import Shown, print_evaluation, shown_options
from loopledger.adapters.cli.folder import NoTimers, names_in, number_or_text, views
from loopledger.adapters.cli.output import progress
from loopledger.adapters.embedding.building import Policy
from loopledger.adapters.embedding.evaluating import check_evaluation
from loopledger.adapters.embedding.exporting import Bound
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.ready import ready_policies
from loopledger.errors import InvalidRequest, LoopInUse

_ARGUMENT = re.compile(r"^(policies|versions)(\[\d+\])?")


class _Asked(TypedDict):
    policies: dict[str, Policy]
    versions: tuple[int, ...]
    since: Bound
    until: Bound
    warm: bool
    reward_range: tuple[float, float] | None


@click.command
@click.argument("loop")
@click.option(
    "--policy",
    "policies",
    metavar="NAME|FILE",
    multiple=True,
    help="A ready policy's name or a policy file; may be given several times.",
)
@click.option(
    "--version",
    "versions",
    type=click.IntRange(1),
    multiple=True,
    help="A model version as it is, without learning on; may be given several times.",
)
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@click.option("--warm", is_flag=True, help="Let policies first learn what came before --since.")
@click.option(
    "--reward-range",
    type=(float, float),
    metavar="LOW HIGH",
    help="The least and the most that a reward can be; by default 0 and 1, or wider if other ones came.",
)
@click.option("--name", help="What to call it; by default after what is judged.")
@click.option("--id", "evaluation_id", metavar="ID", help="Its id; by default a new one.")
@shown_options
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to evaluate
    data: Path,
    loop: str,
    *,
    policies: tuple[str, ...],
    versions: tuple[int, ...],
    since: str | None,
    until: str | None,
    warm: bool,
    reward_range: tuple[float, float] | None,
    name: str | None,
    evaluation_id: str | None,
    shown: Shown,
) -> None:
    """Estimate what other policies would have earned in LOOP.

    They are judged by the decisions that LOOP made and what came for them. Online (what decided),
    Baseline (always the caller's own choice) and Random are always among them. The request and the
    result become part of the log, unless another process has the loop open.
    """
    names_in(data, (loop,))
    check_evaluation()
    asked = _Asked(
        policies=_named(policies),
        versions=versions,
        since=None if since is None else number_or_text(since),
        until=None if until is None else number_or_text(until),
        warm=warm,
        reward_range=reward_range,
    )
    shown.check()
    ident: str | None = None
    with _as_typed():
        try:
            with Ledger(data, clock=NoTimers()) as ledger, progress("evaluating") as tell:
                evaluated = ledger.loop(loop)
                report = evaluated.evaluate(**asked, name=name, evaluation_id=evaluation_id, progress=tell)
                ident = evaluated.evaluations()[-1].id
        except LoopInUse:
            click.echo(
                f"{loop} is open in another process: it is evaluated, and nothing is recorded", err=True
            )
            with views(data, (loop,)) as (view,), progress("evaluating") as tell:
                report = view.evaluate(**asked, progress=tell)
    print_evaluation(report, ident, shown)


@contextmanager
def _as_typed() -> Generator[None]:
    """Name the options that were typed, not the arguments that were made of them."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(_ARGUMENT.sub(_option, error.field), error.problem) from None


def _option(found: re.Match[str]) -> str:
    return "policy" if found[1] == "policies" else "version"


def _named(given: tuple[str, ...]) -> dict[str, Policy]:
    """Return policies by what they are called: as they were given, or as their files say."""
    found: dict[str, Policy] = {}
    for one in given:
        policy = read_policy(one)
        name = one if one in ready_policies() else policy.name
        if name in found:
            raise InvalidRequest("policy", "two are called alike: give one of the files another name inside")
        found[name] = policy
    return found
