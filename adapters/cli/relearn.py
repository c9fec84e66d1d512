"""`loopledger relearn`: learn the past again, under another policy or without what should not be learned."""

from pathlib import Path
from typing import TextIO

import click

from loopledger.adapters.cli.create import read_policy
from loopledger.adapters.cli.folder import NoTimers, ids_in, names_in, number_or_text
from loopledger.adapters.cli.output import as_json, print_facts, print_json, progress
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.commands import MOST_PASSES
from loopledger.errors import NotFound
from loopledger.log.events import DECISIONS


@click.command
@click.argument("loop")
@click.option(
    "--policy", metavar="NAME|FILE", help="Under another policy: a ready one's name or a policy file."
)
@click.option("--since", metavar="TIME|SEQ", default="1", help="Learn only what came from there on.")
@click.option(
    "--without",
    metavar="EVENT_ID",
    multiple=True,
    help="Leave a decision out; may be given several times.",
)
@click.option(
    "--without-file",
    type=click.File(encoding="utf-8"),
    help="Leave the decisions out whose event ids it lists, one a line; - is stdin.",
)
@click.option(
    "--where",
    metavar="QUERY",
    help="Leave decisions out of which this JMESPath expression is true, such as "
    "\"starts_with(event_id, 'bot-')\"; see docs/audit.md.",
)
@click.option("--with-everything", is_flag=True, help="Learn again what earlier relearnings left out.")
@click.option(
    "--passes",
    metavar="N",
    type=click.IntRange(1, MOST_PASSES),
    default=1,
    show_default=True,
    help="Learn every decision so often; docs/policies.md says when it helps.",
)
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to choose decisions
    data: Path,
    loop: str,
    *,
    policy: str | None,
    since: str,
    without: tuple[str, ...],
    without_file: TextIO | None,
    where: str | None,
    with_everything: bool,
    passes: int,
    json_: bool,
) -> None:
    """Learn the past of LOOP again, and publish what comes of it.

    It is learned beside the model that answers. What is left out stays in the log, and stays left
    out in later relearnings.
    """
    names_in(data, (loop,))
    without = (*without, *ids_in(without_file))
    with Ledger(data, clock=NoTimers()) as ledger:
        relearned = ledger.loop(loop)
        if policy is None and not any(relearned.status().counts.get(kind) for kind in DECISIONS):
            raise NotFound(f"nothing to learn again: {loop} has no decision yet; nothing was logged")
        with progress("choosing") as tell:
            receipt = relearned.relearn(
                None if policy is None else read_policy(policy),
                since=number_or_text(since),
                without=without,
                where=where,
                with_everything=with_everything,
                passes=passes,
                progress=tell,
            )
        with progress("learning") as tell:
            versions = relearned.train(tell)
        begun = next(relearned.log(first=receipt.seq, last=receipt.seq))
        published = relearned.status().published
    left_out = len(begun.as_dict()["body"]["without"])
    if json_:
        print_json(
            {
                "loop": loop,
                "seq": receipt.seq,
                "left_out": left_out,
                "passes": passes,
                "versions": versions,
                "published": published,
            }
        )
        return
    print_facts(
        [
            ("decisions left out", f"{left_out:,}, since event {receipt.seq:,}"),
            ("learned", f"version {versions[-1]}" if versions else "nothing: there was nothing to learn"),
            ("answers", f"version {published}" if published else "no model yet"),
        ]
    )
