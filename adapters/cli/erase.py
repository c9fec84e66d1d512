"""`loopledger erase`: erase what was logged of some decisions, for good."""

from pathlib import Path
from typing import TextIO

import click

from loopledger.adapters.cli.folder import NoTimers, ids_in, names_in
from loopledger.adapters.cli.output import as_json, counted, print_facts, print_json, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.errors import LoopledgerError


@click.command
@click.argument("loop")
@click.option(
    "--event-ids",
    "--event-id",
    metavar="EVENT_ID",
    multiple=True,
    help="This decision; may be given several times.",
)
@click.option(
    "--event-ids-file",
    type=click.File(encoding="utf-8"),
    help="The decisions whose event ids it lists, one a line; - is stdin.",
)
@click.option(
    "--older-than", metavar="AGE|TIME", help="Decisions of at least this age (90d, 12h) or before this time."
)
@click.option("--where", metavar="QUERY", help="Decisions of which this JMESPath expression is true.")
@click.option(
    "--force", is_flag=True, help="Also where a model version cannot be made here any more, and is lost."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to choose decisions
    data: Path,
    loop: str,
    *,
    event_ids: tuple[str, ...],
    event_ids_file: TextIO | None,
    older_than: str | None,
    where: str | None,
    force: bool,
    yes: bool,
    json_: bool,
) -> None:
    """Erase what was logged of decisions in LOOP, for good.

    Contexts, choices and rewards go. Time, kind and event id of each event stay, and so do the
    models that learned from it. The chain still holds, and the log says what was erased and when.
    """
    names_in(data, (loop,))
    ids = [*event_ids, *ids_in(event_ids_file)]
    if bool(ids) + (older_than is not None) + (where is not None) != 1:
        raise click.UsageError("give one of --event-ids, --older-than and --where")
    with Ledger(data, clock=NoTimers()) as ledger:
        erased = ledger.loop(loop)
        count = erased.erasable(ids, older_than=older_than, where=where)
        if count and not yes and not _agreed(f"Erase {counted(count, 'event')} of {loop} for good?"):
            raise LoopledgerError("nothing was erased: answer y, or give --yes where nobody is asked")
        with progress("erasing") as tell:
            done = erased.erase(ids, older_than=older_than, where=where, force=force, progress=tell)
    if json_:
        print_json({"loop": loop, "erased": done})
        return
    facts: list[tuple[str, object]] = [
        ("events erased", done.events),
        ("decisions among them", done.decisions),
        ("model versions that learned from them, now kept in the log", len(done.kept)),
    ]
    print_facts([*facts, *([("model versions lost", len(done.lost))] if done.lost else [])])


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        return False
