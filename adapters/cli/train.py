"""`loopledger train`: learn what can be learned now."""

from collections.abc import Callable
from pathlib import Path

import click

from loopledger.adapters.cli.folder import names_in
from loopledger.adapters.cli.output import as_json, print_json, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.system_clock import SystemClock


class _NoTimers(SystemClock):
    """The machine's time; a loop that is overdue must not train by itself before it is asked to."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        return lambda: None


@click.command
@click.argument("loop")
@as_json
@click.pass_obj
def command(data: Path, loop: str, json_: bool) -> None:
    """Learn every decision of LOOP whose reward wait time has passed."""
    names_in(data, (loop,))
    with Ledger(data, clock=_NoTimers()) as ledger, progress(f"training {loop}") as tell:
        versions = ledger.loop(loop).train(progress=tell)
    if json_:
        print_json({"loop": loop, "versions": versions})
    elif versions:
        click.echo(f"made version{'s' if len(versions) > 1 else ''} {', '.join(map(str, versions))}")
    else:
        click.echo("there is nothing to learn: no reward wait time has passed since the last training")
