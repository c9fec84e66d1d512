"""`loopledger evaluations`: the evaluations that a loop's log tells of."""

from pathlib import Path

import click

from loopledger.adapters.cli.evaluation_output import Shown, print_evaluation, shown_options
from loopledger.adapters.cli.folder import NoTimers, names_in, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, print_table, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.moments import text
from loopledger.evaluation.register import EvaluationRecord
from loopledger.evaluation.report import Evaluation


@click.group
def command() -> None:
    """List, show, delete and apply evaluations.

    Each of these commands has --json.
    """


@command.command("list")
@click.argument("loop")
@as_json
@click.pass_obj
def list_(data: Path, loop: str, json_: bool) -> None:
    """List the evaluations of LOOP that were not deleted."""
    with views(data, (loop,)) as (view,):
        found = view.evaluations()
    if json_:
        print_json(found)
    elif not found:
        click.echo("there is no evaluation yet: `loopledger evaluate` makes one")
    else:
        print_table(
            ("id", "asked (UTC)", "status", "events", "applied", "name"),
            [
                (
                    one.id,
                    text(one.at)[:19],
                    _status(one),
                    f"{one.request.first} to {one.request.last}",
                    "; ".join(f"{applied.policy} (event {applied.seq})" for applied in one.applied),
                    one.name,
                )
                for one in found
            ],
        )


@command.command
@click.argument("loop")
@click.argument("evaluation_id", metavar="ID")
@shown_options
@click.pass_obj
def show(data: Path, loop: str, evaluation_id: str, *, shown: Shown) -> None:
    """Show what the evaluation ID of LOOP came to."""
    shown.check()
    with views(data, (loop,)) as (view,):
        found = view.evaluation(evaluation_id)
    if isinstance(found.report, Evaluation):
        print_evaluation(found.report, found.id, shown)
    elif shown.json_:
        print_json(found)
    else:
        print_facts(
            [
                ("evaluation", found.id),
                ("name", found.name),
                ("asked", text(found.at)),
                ("status", _status(found)),
                *([("reason", found.reason)] if found.reason else ()),
            ]
        )


@command.command
@click.argument("loop")
@click.argument("evaluation_id", metavar="ID")
@as_json
@click.pass_obj
def delete(data: Path, loop: str, evaluation_id: str, json_: bool) -> None:
    """Do not show the evaluation ID of LOOP any more; its events stay in the log."""
    names_in(data, (loop,))
    with Ledger(data, clock=NoTimers()) as ledger:
        receipt = ledger.loop(loop).delete_evaluation(evaluation_id)
    if json_:
        print_json({"loop": loop, "evaluation": evaluation_id, "seq": receipt.seq, "at": receipt.at})
    else:
        click.echo(f"deleted {evaluation_id} (event {receipt.seq:,})")


@command.command
@click.argument("loop")
@click.argument("evaluation_id", metavar="ID")
@click.argument("policy")
@as_json
@click.pass_obj
def apply(data: Path, loop: str, evaluation_id: str, policy: str, json_: bool) -> None:
    """Put POLICY in force in LOOP, as it is called in the evaluation ID.

    The past is learned under it beside the model that answers, and published in one step.
    `loopledger rollback LOOP --policy` takes it back.
    """
    names_in(data, (loop,))
    with Ledger(data, clock=NoTimers()) as ledger, progress("learning") as tell:
        applied = ledger.loop(loop)
        receipt = applied.apply_evaluation(evaluation_id, policy, tell)
        status = applied.status()
    if json_:
        print_json(
            {
                "loop": loop,
                "evaluation": evaluation_id,
                "policy": status.policy,
                "seq": receipt and receipt.seq,
                "published": status.published,
            }
        )
    elif receipt is None:
        click.echo(f"“{status.policy.name}” is in force already: nothing has changed")
    else:
        answers = f"version {status.published} answers" if status.published else "no model yet"
        click.echo(f"“{status.policy.name}” is in force from event {receipt.seq:,} on; {answers}")


def _status(one: EvaluationRecord) -> str:
    if one.status == "Running":
        return "Running, or its process has ended; opening the loop for writing tells"
    return one.status + (", automatic" if one.automatic else "")
