"""`loopledger export`: decisions and events for other programs."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import number_or_text, views
from loopledger.adapters.cli.output import as_json, print_facts, print_json, progress
from loopledger.adapters.embedding.exporting import FORMATS
from loopledger.exchange.export import Format


@click.command
@click.argument("loop")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="dsjson", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write, whole or not at all; - is stdout.  [default: stdout]",
)
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@click.option("--include-open", is_flag=True, help="Take decisions too for which rewards may still come.")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to choose, and where it goes
    data: Path,
    loop: str,
    *,
    format_: Format,
    out: Path | None,
    since: str | None,
    until: str | None,
    include_open: bool,
    force: bool,
    json_: bool,
) -> None:
    """Write the decisions or the events of LOOP for other programs.

    Decisions come with what came for them.

    \b
    dsjson   joined examples, as VowpalWabbit's --dsjson and Personalizer's logs have them
    csv      a row for each decision (for each slot, if it has several)
    parquet  the same table
    events   the log itself, a JSON object a line

    Decisions for which rewards may still come are left out. With --json a summary of the file is
    printed.
    """  # noqa: D301 - click wants the character that a backslash and a b stand for
    to_file = out is not None and str(out) != "-"
    if not to_file and json_:
        raise click.UsageError("--json says what is in a file: give --out FILE")
    if not to_file and format_ == "parquet":
        raise click.UsageError("parquet goes to a file: give --out FILE")
    with (
        views(data, (loop,)) as (view,),
        progress(f"exporting {loop}") if to_file else nullcontext() as tell,
    ):
        done = view.export(
            out if out is not None and to_file else sys.stdout.buffer,
            format=format_,
            since=None if since is None else number_or_text(since),
            until=None if until is None else number_or_text(until),
            include_open=include_open,
            force=force,
            progress=tell,
        )
    if not to_file:
        sys.stdout.buffer.flush()  # here a full disk is still a sentence
    if done.left_out:
        what = "1 decision is" if done.left_out == 1 else f"{done.left_out:,} decisions are"
        click.echo(f"{what} left out: rewards may still come (--include-open takes all)", err=True)
    if json_:
        print_json(done)
    elif to_file:
        facts = msgspec.structs.asdict(done)
        print_facts(
            [(name.replace("_", " "), "none" if value is None else value) for name, value in facts.items()]
        )
