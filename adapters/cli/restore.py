"""`loopledger restore`: put loops of a backup back."""

from pathlib import Path

import click

from loopledger.adapters.cli.folder import NoTimers, moment_or_seq, no_trace
from loopledger.adapters.cli.output import as_json, counted, print_json, print_table, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.embedding.moments import text


@click.command
@click.argument("source", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--loop", "loops", metavar="LOOP", multiple=True, help="This one; may be given several times.")
@click.option("--as-of", "moment", metavar="TIME|SEQ", help="As it was then; the rest of the log is cut off.")
@click.option("--as", "called", metavar="NAME", help="Give the loop this name.")
@click.option("--chain-only", is_flag=True, help="Check the chain only, not the models and decisions.")
@click.option("--without-keys", is_flag=True, help="Leave out the server's keys and the signing key pair.")
@as_json
@click.pass_obj
def command(
    data: Path,
    source: Path,
    *,
    loops: tuple[str, ...],
    moment: str | None,
    called: str | None,
    chain_only: bool,
    without_keys: bool,
    json_: bool,
) -> None:
    """Put the loops of the backup in FOLDER back.

    The data folder must not have them. Files, chain, models and decisions are checked first, as
    `loopledger verify` does; if anything does not hold, no loop is there afterwards. Keys come back
    only for loops that never had one here, and the signing key pair only if there is none.
    """
    with no_trace(data), Ledger(data, clock=NoTimers()) as ledger, progress("restoring") as tell:
        found = ledger.restore(
            source,
            *loops,
            **moment_or_seq(moment),
            called=called,
            chain_only=chain_only,
            keys=not without_keys,
            progress=tell,
        )
    if json_:
        print_json(found)
        return
    print_table(
        ("loop", "events", "of", "versions checked", "decisions checked", "last event"),
        [
            (
                one.loop,
                one.seq,
                one.saved,
                one.findings.versions,
                one.findings.decisions,
                text(one.at),
            )
            for one in found
        ],
    )
    what = "its chain holds" if chain_only else "everything holds"
    click.echo(f"{data} has {counted(len(found), 'loop')} more, and {what}")
