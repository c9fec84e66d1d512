"""`loopledger verify`: does everything hold?"""

from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.folder import views
from loopledger.adapters.cli.output import Tell, as_json, print_facts, print_json, progress
from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.vw.arguments import engine
from loopledger.errors import LogDamaged
from loopledger.verification import Findings, Problem, Verification

_FOUND_SOMETHING = 1
_SHOWN = 20


@click.command
@click.argument("loops", nargs=-1)
@as_json
@click.pass_context
def command(ctx: click.Context, loops: tuple[str, ...], json_: bool) -> None:
    """Check LOOPS, or all loops: the chain, every model version, every decision.

    The exit code is 1 if anything does not hold.
    """
    data: Path = ctx.obj
    found: list[Verification] = []
    with views(data, loops) as selected:
        for view in selected:
            with progress(f"verifying {view.name}") as tell:
                found.append(_verified(view, tell))
            if not json_:
                _print(found[-1])
    if json_:
        print_json(
            [{**msgspec.to_builtins(verification), "holds": verification.holds} for verification in found]
        )
    if not all(verification.holds for verification in found):
        ctx.exit(_FOUND_SOMETHING)


def _verified(view: LoopView, tell: Tell) -> Verification:
    try:
        return view.verify(tell)
    except LogDamaged as error:  # so much that it cannot even be opened
        findings = Findings(problems=(Problem(error.seq or 1, str(error)),))
        return Verification(view.name, 0, "", engine(), findings)


def _print(verification: Verification) -> None:
    findings = verification.findings
    facts: list[tuple[str, object]] = [
        ("loop", verification.loop),
        ("events", f"{findings.events:,} of {verification.head:,} chained"),
        ("model versions", f"{findings.versions:,} rebuilt, bit for bit"),
        ("decisions", f"{findings.decisions:,} computed again"),
        ("chain head", verification.digest),
        ("engine", verification.engine),
    ]
    if findings.unchecked_versions or findings.unchecked_decisions:
        versions, decisions = findings.unchecked_versions, findings.unchecked_decisions
        facts.append(
            ("not checked", f"{versions:,} versions and {decisions:,} decisions: they need another engine")
        )
    print_facts(facts)
    if verification.holds:
        click.secho("everything holds", fg="green")
        return
    click.secho(f"{len(findings.problems):,} things do not hold; the first:", fg="red")
    for problem in sorted(findings.problems)[:_SHOWN]:
        click.echo(f"  {problem.what}")
