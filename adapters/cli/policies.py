"""`loopledger policies`: the ready learning policies."""

import click

from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.ready import ready_policies


@click.command
@as_json
def command(json_: bool) -> None:
    """List the ready learning policies."""
    found = ready_policies()
    if json_:
        print_json(found)
    else:
        print_table(("name", "arguments"), [(name, policy.arguments) for name, policy in found.items()])
