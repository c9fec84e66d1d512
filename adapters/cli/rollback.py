"""`loopledger rollback`: go back to an older model, or to the learning policy before."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import NoTimers, names_in
from loopledger.adapters.cli.output import as_json, print_json
from loopledger.adapters.embedding.ledger import Ledger


@click.command
@click.argument("loop")
@click.argument("version", type=click.IntRange(1), required=False)
@click.option("--policy", is_flag=True, help="Take back the last change of the learning policy.")
@as_json
@click.pass_obj
def command(data: Path, loop: str, version: int | None, *, policy: bool, json_: bool) -> None:
    """Let LOOP decide with VERSION, or by the policy before.

    It does so from here on. VERSION may be an older one, or the newest again. Training goes on, but
    new versions are not published by themselves until the newest is published again.

    With --policy the learning policy and the models from before it was changed last are in force
    again, and learning goes on where it had stopped under it. Twice is back again.
    """
    names_in(data, (loop,))
    if policy == (version is not None):
        raise click.UsageError("give a VERSION, or --policy for the learning policy before")
    with Ledger(data, clock=NoTimers()) as ledger:
        changed = ledger.loop(loop)
        receipt = changed.restore_policy() if version is None else changed.publish(version)
        status = changed.status()
    said: dict[str, object] = {
        "loop": loop,
        "version": status.published,
        "seq": receipt.seq,
        "at": receipt.at,
    }
    answers = f"version {status.published} answers" if status.published else "no model answers"
    if version is None:
        said["policy"] = status.policy
        answers = f"“{status.policy.name}” is in force and {answers}"
    if json_:
        print_json(said)
    else:
        click.echo(f"{answers} from event {receipt.seq:,} on")
