"""`loopledger models`: every model that a loop ever had."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.embedding.moments import text


@click.command
@click.argument("loop")
@as_json
@click.pass_obj
def command(data: Path, loop: str, json_: bool) -> None:
    """List the model versions of LOOP.

    For each: what it came from and learned, its bytes, and when it answered.
    """
    with views(data, (loop,)) as (view,):
        found = view.models()
    if json_:
        print_json(found)
    elif not found:
        click.echo("there is no model yet: all actions have the same probability")
    else:
        print_table(
            (
                "version",
                "parent",
                "learned",
                "from",
                "to",
                "bytes",
                "SHA-256",
                "kept",
                "answered (UTC)",
                "policy",
            ),
            [
                (
                    model.version,
                    "imported" if model.imported else model.parent or "nothing",
                    model.examples if model.passes == 1 else f"{model.examples:,}, {model.passes} times",
                    model.first or "",
                    model.last or "",
                    model.size,
                    model.sha256[:12],
                    "yes" if model.kept else "",
                    "; ".join(
                        f"{text(one.since)[:19]} to {text(one.until)[:19] if one.until else 'now'}"
                        for one in model.served
                    ),
                    model.policy.name + (f" (evaluation {model.evaluation})" if model.evaluation else ""),
                )
                for model in found
            ],
        )
