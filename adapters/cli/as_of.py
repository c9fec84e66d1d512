"""`loopledger as-of`: a loop as it was."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import moment_or_seq, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json
from loopledger.adapters.embedding.moments import text


@click.command(name="as-of")
@click.argument("loop")
@click.argument("moment", metavar="TIME|SEQ")
@as_json
@click.pass_obj
def command(data: Path, loop: str, moment: str, json_: bool) -> None:
    """Show LOOP as it was at a moment.

    The moment is a TIME (ISO 8601), or that after the event SEQ.
    """
    with views(data, (loop,)) as (view,):
        found = view.as_of(**moment_or_seq(moment))
    if json_:
        print_json(found)
        return
    settings = found.settings
    print_facts(
        [
            ("loop", found.loop),
            ("event", found.seq),
            ("at", text(found.at)),
            ("chain head", found.digest),
            ("policy", f"{found.policy.name}: {found.policy.arguments}"),
            ("model", f"version {found.published}" if found.published else "none: all actions were alike"),
            ("versions", found.versions),
            ("decisions", found.decisions),
            ("  learned", found.learned_decisions),
            ("  waiting", found.waiting_decisions),
            ("learning mode", settings.learning_mode),
            ("reward wait time", f"{settings.reward_wait_time:g} s"),
            ("default reward", settings.default_reward),
            ("aggregation", settings.reward_aggregation),
            ("minimum probability", settings.minimum_probability),
        ]
    )
