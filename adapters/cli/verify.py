"""`loopledger verify`: does everything hold?"""

from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import number_or_text, views
from loopledger.adapters.cli.output import Tell, as_json, counted, print_facts, print_json, progress
from loopledger.adapters.embedding.moments import text
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.system_clock import SystemClock
from loopledger.adapters.vw.arguments import engine
from loopledger.audit.verification import Findings, Problem, Verification
from loopledger.errors import InvalidRequest, LogDamaged
from loopledger.log.anchor import Anchor, anchor_of, read_anchors

_FOUND_SOMETHING = 1
_SHOWN = 20


@click.command
@click.argument("loops", nargs=-1)
@click.option("--since", metavar="TIME|SEQ", help="Check from here on; what came before is taken as it is.")
@click.option(
    "--anchor",
    "anchor_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file to keep elsewhere: compared with the log, then told how the log ends now.",
)
@as_json
@click.pass_context
def command(
    ctx: click.Context, loops: tuple[str, ...], *, since: str | None, anchor_file: Path | None, json_: bool
) -> None:
    """Check the chain, every model and every decision.

    Of LOOPS, or of all loops. A chain cannot show that its end was cut off, or all of it written
    anew; an anchor that is kept where nobody can change it shows that too. The exit code is 1 if
    anything does not hold.
    """
    data: Path = ctx.obj
    if anchor_file and not anchor_file.absolute().parent.is_dir():
        raise InvalidRequest("anchor", f"cannot be kept: there is no folder {anchor_file.parent}")
    known = (
        read_anchors(anchor_file.read_bytes().splitlines()) if anchor_file and anchor_file.exists() else []
    )
    begin = 1 if not since else number_or_text(since)
    found: list[Verification] = []
    with views(data, loops) as selected:
        for view in selected:
            with progress(f"verifying {view.name}") as tell:
                found.append(_verified(view, tell, begin, known))
            if not json_:
                if found[1:]:
                    click.echo()
                _print(found[-1])
    if json_:
        print_json(
            [{**msgspec.to_builtins(verification), "holds": verification.holds} for verification in found]
        )
    if anchor_file:
        _keep(anchor_file, known, found)
    if not all(verification.holds for verification in found):
        ctx.exit(_FOUND_SOMETHING)


def _verified(view: LoopView, tell: Tell, since: str | int, known: list[Anchor]) -> Verification:
    try:
        return view.verify(tell, since=since, anchors=known)
    except LogDamaged as error:  # so much that it cannot even be opened
        findings = Findings(problems=(Problem(error.seq or 1, str(error)),))
        return Verification(view.name, 0, "", engine(), findings)


def _keep(anchor_file: Path, known: list[Anchor], found: list[Verification]) -> None:
    """Note how the logs end that hold, where that is not noted yet."""
    news = [anchor_of(verification) for verification in found if verification.holds]
    lines = [msgspec.json.encode(one) + b"\n" for one in news if one not in known]
    with anchor_file.open("ab") as file:
        file.writelines(lines)


def _print(verification: Verification) -> None:
    findings = verification.findings
    facts: list[tuple[str, object]] = [
        ("loop", verification.loop),
        ("events", f"{findings.events:,} of {verification.head:,} chained"),
        *([("since event", verification.since)] if verification.since > 1 else []),
        ("model versions", f"{findings.versions:,} rebuilt, bit for bit"),
        ("decisions", f"{findings.decisions:,} computed again"),
        *([("erased", f"{counted(findings.erased, 'event')}, as the log says")] if findings.erased else []),
        ("chain head", verification.digest),
        ("last event", text(verification.at)),
        ("engine", verification.engine),
        ("loopledger", version("loopledger")),
        ("checked at", text(SystemClock().now())),
    ]
    if findings.unchecked_versions or findings.unchecked_decisions:
        versions = counted(findings.unchecked_versions, "version")
        decisions = counted(findings.unchecked_decisions, "decision")
        facts.append(("not checked", f"{versions} and {decisions}: they need another engine, or are erased"))
    if findings.imported_decisions:
        imported = counted(findings.imported_decisions, "imported decision")
        facts.append(("decided elsewhere", f"{imported}: not computed"))
    print_facts(facts)
    if verification.holds:
        click.secho("everything holds", fg="green")
        return
    count = len(findings.problems)
    click.secho("1 thing does not hold:" if count == 1 else f"{count:,} things do not hold:", fg="red")
    for problem in sorted(findings.problems)[:_SHOWN]:
        click.echo(f"  {problem.what}")
    click.echo("put back a copy of the log that holds, or keep this one as it is and ask what happened to it")
