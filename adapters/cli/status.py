"""`loopledger status`: how a loop stands."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import as_json, counted, print_facts, print_json
from loopledger.adapters.doctor.loop import in_bytes
from loopledger.adapters.embedding.moments import text


@click.command
@click.argument("loop")
@as_json
@click.pass_obj
def command(data: Path, loop: str, json_: bool) -> None:
    """Show how LOOP stands: its log, its model, its settings."""
    with views(data, (loop,)) as (view,):
        status = view.status()
    if json_:
        print_json(status)
        return
    settings = status.settings
    print_facts(
        [
            ("loop", status.name),
            ("events", status.events),
            *((f"  {kind}", count) for kind, count in status.counts.items()),
            ("last event", text(status.at)),
            ("log", in_bytes(status)),
            ("chain head", status.digest),
            ("policy", f"{status.policy.name}: {status.policy.arguments}"),
            ("model", f"version {status.published}" if status.published else "none: all actions are alike"),
            ("versions", status.versions),
            ("not learned yet", counted(status.waiting_decisions, "decision")),
            ("learning mode", settings.learning_mode),
            ("reward wait time", f"{settings.reward_wait_time:g} s"),
            ("default reward", settings.default_reward),
            ("aggregation", settings.reward_aggregation),
            ("update frequency", f"{settings.model_update_frequency:g} s"),
            ("minimum probability", settings.minimum_probability),
            ("compression", "on" if settings.compression else "off"),
        ]
    )
