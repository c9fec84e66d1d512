"""`loopledger policies`: the ready learning policies, and any of them for a loop's own namespaces."""

from pathlib import Path

import click

from loopledger.adapters.cli.create import read_policy
from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, print_json, print_table
from loopledger.adapters.ready import ready_policies
from loopledger.errors import InvalidRequest
from loopledger.learning.namespaces import Namespaces, crossed
from loopledger.policy import LearningPolicy


@click.command
@click.argument("policy", required=False, metavar="[NAME|FILE]")
@click.option("--for", "loop", metavar="LOOP", help="Cross the namespaces that LOOP's last decisions have.")
@click.option(
    "--shared", multiple=True, metavar="NAMESPACE", help="Cross this one, of contexts or slots, too."
)
@click.option("--actions", multiple=True, metavar="NAMESPACE", help="Cross this one, of actions, too.")
@click.option("--no-ids", is_flag=True, help="Do not cross the actions' ids: for actions that come and go.")
@as_json
@click.pass_obj
def command(
    data: Path,
    policy: str | None,
    *,
    loop: str | None,
    shared: tuple[str, ...],
    actions: tuple[str, ...],
    no_ids: bool,
    json_: bool,
) -> None:
    """List the ready learning policies, or print one as a file.

    With --for, --shared or --actions, every shared namespace is crossed with every namespace of
    actions, and nothing else: that learns more than -q :: and costs less. A file that is made so
    is what `loopledger create --policy` and `loopledger relearn --policy` take.
    """
    found = ready_policies() if policy is None else {policy: read_policy(policy)}
    if loop is not None or shared or actions or no_ids:
        names = Namespaces()
        if loop is not None:
            with views(data, (loop,)) as (view,):
                names = view.namespaces()
        of_actions = [name for name in (*names.actions, *actions) if not (no_ids and name == "i")]
        names = Namespaces(tuple(dict.fromkeys((*names.shared, *shared))), tuple(dict.fromkeys(of_actions)))
        found = {name: _crossed(one, names) for name, one in found.items()}
        for alike in names.alike:
            click.echo(
                f"loopledger: {', '.join(alike)} begin alike, and policies tell namespaces by their first"
                " letters: they are crossed with one another too, which costs time and helps nobody;"
                " other names would end it",
                err=True,
            )
    if policy is not None:
        print_json(found[policy])
    elif json_:
        print_json(found)
    else:
        print_table(("name", "arguments"), [(name, one.arguments) for name, one in found.items()])


def _crossed(policy: LearningPolicy, names: Namespaces) -> LearningPolicy:
    try:
        return crossed(policy, names)
    except InvalidRequest as error:
        option = error.field.replace("namespaces.", "--")
        if option not in {"--shared", "--actions"} or getattr(names, option[2:]):
            raise
        raise InvalidRequest(
            option,
            "must name a namespace, as there is none on this side: --shared names those of contexts, "
            "--actions those of actions",
        ) from None
