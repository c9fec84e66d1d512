"""`loopledger log`: the events of a loop."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import moment_or_seq, views
from loopledger.adapters.cli.output import as_json, counted, print_lines
from loopledger.adapters.embedding.moments import check_order, text
from loopledger.log.events import KINDS
from loopledger.reports import Entry

_PAUSE = 0.5


@click.command
@click.argument("loop")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="Only events of this kind; may be given several times.",
)
@click.option("--event-id", metavar="EVENT_ID", help="Only events of this decision.")
@click.option("--first", type=click.IntRange(1), default=1, help="Begin with this seq, as --since SEQ does.")
@click.option("--last", type=click.IntRange(1), help="End with this seq, as --until SEQ does.")
@click.option("--since", metavar="TIME|SEQ", help="Begin at this time (ISO 8601) or with this event.")
@click.option("--until", metavar="TIME|SEQ", help="End at this time or with this event.")
@click.option("--limit", type=click.IntRange(1), help="Print at most so many events.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@as_json
@click.pass_obj
def command(  # noqa: PLR0913 - one for each way to choose events
    data: Path,
    loop: str,
    *,
    kinds: tuple[str, ...],
    event_id: str | None,
    first: int,
    last: int | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    follow: bool,
    json_: bool,
) -> None:
    """Print the events of LOOP in their order.

    On a terminal, what is longer than that goes through the pager. With --json, each event is a JSON
    object on a line.
    """
    begin, end = moment_or_seq(since), moment_or_seq(until)
    check_order(begin.get("seq"), end.get("seq"))
    first = max(first, begin.get("seq", first))
    last = min((seq for seq in (last, end.get("seq")) if seq is not None), default=None)
    with views(data, (loop,)) as (view,):

        def read(first: int, since: str | None) -> Iterator[Entry]:
            return view.log(
                first=first,
                last=last,
                kinds=kinds or None,
                event_id=event_id,
                since=since,
                until=end.get("time"),
            )

        since = begin.get("time")
        entries = _followed(read, first, since) if follow else read(first, since)
        wanted = islice(entries, limit and min(limit, sys.maxsize))
        lines = (msgspec.json.encode(entry).decode() if json_ else _line(entry) for entry in wanted)
        if not follow:
            print_lines(lines)
            return
        with suppress(KeyboardInterrupt):  # how it is meant to end
            for line in lines:
                click.echo(line)


def _followed(
    read: Callable[[int, str | None], Iterator[Entry]], first: int, since: str | None
) -> Iterator[Entry]:
    """Yield what there is, then what comes."""
    while True:
        for entry in read(first, since):
            yield entry
            first, since = entry.seq + 1, None
        time.sleep(_PAUSE)


def _line(entry: Entry) -> str:
    what = f"{entry.kind:<19} {entry.event_id or '':<32}  {_gist(msgspec.json.decode(entry.body))}"
    return f"{entry.seq:>8}  {text(entry.at)}  {what}".rstrip()


def _gist(body: dict[str, object] | None) -> str:  # noqa: C901, PLR0911 - one for each kind
    """Return what matters of an event in a few words."""
    match body:
        case None:
            return "erased"
        case {
            "kind": "Ranked",
            "chosen": chosen,
            "probabilities": [probability, *_],
            "model_version": version,
        }:
            deferred = ", deferred" if body.get("deferred") else ""
            return f"{chosen} ({probability:.3f}, model {version}{deferred})"
        case {"kind": "SlotsRanked", "slots": list(slots), "model_version": version}:
            chosen_all = ", ".join(f"{slot['slot']}: {slot['chosen']}" for slot in slots)
            return f"{chosen_all} (model {version})"
        case {"kind": "Rewarded", "value": value}:
            return f"{value:g}" + (f" for {body['slot']}" if body.get("slot") else "")
        case {"kind": "ModelTrained", "version": version, "parent": parent, "examples": int(examples)}:
            return f"version {version} from {parent or 'nothing'}, {counted(examples, 'example')}"
        case {"kind": "ModelPublished" | "ModelImported" | "ModelKept", "version": version}:
            return f"version {version}"
        case {"kind": "RelearningBegun", "policy": {"name": name}, "since": since, "without": list(without)}:
            left_out = counted(len(without), "decision")
            often = "" if body.get("passes", 1) == 1 else f", {body['passes']} times"
            return f"{name}, from event {since} on, without {left_out}{often}{_because(body)}"
        case {"kind": "Erased", "events": int(events)}:
            return counted(events, "event")
        case {"kind": "PolicyChanged" | "LoopCreated", "policy": {"name": name}}:
            return f"{name}{_because(body)}"
        case {"kind": "PolicyRestored", "policy": {"name": name}, "version": version, "undone": undone}:
            return f"{name}, version {version or 'none'}: as before event {undone}"
        case {"evaluation": str(evaluation)}:
            told = [body.get("name"), body.get("status"), body.get("reason")]
            return ", ".join([evaluation, *(str(one) for one in told if one)])
        case _:
            return ""


def _because(body: dict[str, object]) -> str:
    evaluation = body.get("evaluation")
    return f", by evaluation {evaluation}" if evaluation else ""
