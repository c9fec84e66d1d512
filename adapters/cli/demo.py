"""`loopledger demo`: a loop learns, and is taken apart and put together again from its log."""

import shutil
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import click
import msgspec

from loopledger.adapters.cli.chart import draw_picture, draw_text, moving_average
from loopledger.adapters.cli.output import Tell, as_json, print_json, progress
from loopledger.adapters.digits import World, best_fixed, stream
from loopledger.adapters.embedding.ledger import Ledger
from loopledger.adapters.ready import ready_policy
from loopledger.audit.verification import Findings
from loopledger.clock import SimulatedClock
from loopledger.errors import LoopledgerError
from loopledger.reports import Model

_WINDOW = 300
_UNIFORM = 0.1
_BEFORE, _AFTER = "personalizer-default", "recommended"


class Story(msgspec.Struct, kw_only=True):
    """What happened while the loop learned."""

    loop: str
    decisions: int
    events: int
    seconds: float
    uniform: float
    best_fixed: float
    half_time: float
    end: float
    relearned: int
    mishaps: dict[str, int]
    picture: Path
    last_event_id: str


class Rebuilt(msgspec.Struct, kw_only=True):
    """A model version, made again from the log."""

    version: int
    sha256: str
    same: bool


class Proof(msgspec.Struct, kw_only=True):
    """What the log proved after everything else was deleted."""

    newest: Rebuilt
    midway: Rebuilt
    findings: Findings
    holds: bool


@click.command
@click.option(
    "--passes", type=click.IntRange(2, 20), default=3, show_default=True, help="How often all digits come."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another story.")
@as_json
@click.pass_context
def command(ctx: click.Context, passes: int, seed: int, json_: bool) -> None:
    """Learn handwritten digits, then prove it from the log.

    1,797 digits come several times in a random order. The loop says which digit it sees and hears
    only whether that was right; some rewards come late or never. Half way the learning policy is
    changed and the past relearned. Then everything but the log is deleted, models are rebuilt from
    it, and every decision is checked. The data folder stays, to be explored.
    """
    data: Path = ctx.obj
    _check_extras()
    story, curve, models = _learn(data, passes, seed)
    if not json_:
        _tell(story, curve)
        click.echo(f"Now everything but {data / story.loop / 'log.db'} is deleted.")
    proof = _prove(data, story.loop, *models)
    if json_:
        print_json({**msgspec.to_builtins(story, enc_hook=str), **msgspec.to_builtins(proof)})
    else:
        _show(proof)
        if proof.holds:
            click.echo(_next(data, story, proof.midway.version, proof.newest.version))
    if not proof.holds:
        ctx.exit(1)


def _check_extras() -> None:
    """Find out before anything is made whether what is needed in the end is there."""
    if any(find_spec(name) is None for name in ("matplotlib", "sklearn")):
        raise LoopledgerError("the demo needs scikit-learn and matplotlib: pip install 'loopledger[demo]'")


def _learn(data: Path, passes: int, seed: int) -> tuple[Story, list[float], tuple[Model, Model]]:
    """Let a new loop learn; return what happened, its learning curve, and two of its models."""
    seen = stream(passes, seed)
    half = len(seen) // 2
    clock = SimulatedClock()
    begun = time.perf_counter()
    with Ledger(data, clock=clock) as ledger, progress("deciding") as tell:
        name = next(name for name in _names() if not ledger.directory.has(name))
        loop = ledger.create(name, policy=ready_policy(_BEFORE))
        world = World(loop, clock, seed)
        _follow(world.show(seen[:half]), tell, 0, len(seen))
        loop.change_policy(ready_policy(_AFTER), relearn=True)
        relearned = loop.train()
        _follow(world.show(seen[half:]), tell, half, len(seen))
        world.finish()
        seconds = time.perf_counter() - begun
        status = loop.status()
        models = loop.model(), loop.model(seq=status.events // 2)
    curve = moving_average(world.rewards, _WINDOW)
    story = Story(
        loop=name,
        decisions=len(seen),
        events=status.events,
        seconds=round(seconds, 3),
        uniform=_UNIFORM,
        best_fixed=best_fixed(seen),
        half_time=curve[half - 1],
        end=curve[-1],
        relearned=relearned[-1],
        mishaps=dict(sorted(world.told.items())),
        picture=data / f"{name}-learning-curve.png",
        last_event_id=seen[-1].event_id,
    )
    draw_picture(
        story.picture, curve, uniform=_UNIFORM, fixed=story.best_fixed, switched=half, window=_WINDOW
    )
    return story, curve, models


def _prove(data: Path, name: str, newest: Model, midway: Model) -> Proof:
    """Delete everything but the log, and make everything again from it."""
    for entry in (data / name).iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "log.db":
            entry.unlink()
    with Ledger(data, clock=SimulatedClock()) as ledger, progress("rebuilding and verifying") as tell:
        loop = ledger.loop(name)
        rebuilt = [
            Rebuilt(
                version=model.version, sha256=model.sha256, same=loop.model(model.version).data == model.data
            )
            for model in (newest, midway)
        ]
        verification = loop.verify(tell)
    return Proof(
        newest=rebuilt[0],
        midway=rebuilt[1],
        findings=verification.findings,
        holds=all(model.same for model in rebuilt) and verification.holds,
    )


def _tell(story: Story, curve: list[float]) -> None:
    click.echo(
        f"The loop {story.loop!r} saw {story.decisions:,} handwritten digits, one every two seconds of a\n"
        f"simulated clock, and was trained every five simulated minutes.\n\n{draw_text(curve)}\n"
        f"      average reward of the last {_WINDOW} decisions; also drawn in {story.picture}\n"
    )
    for what, reward, remark in (
        ("even choice", story.uniform, ""),
        ("best fixed action", story.best_fixed, ""),
        (f"policy “{_BEFORE}”", story.half_time, "at half time"),
        (f"policy “{_AFTER}”", story.end, f"at the end; version {story.relearned} relearned the past"),
    ):
        click.echo(f"  {what:<32}{reward:6.1%}   {remark}".rstrip())
    mishaps = ", ".join(f"{number} {what}" for what, number in story.mishaps.items())
    click.echo(
        f"\n{story.events:,} events are in the log ({mishaps}).\n"
        f"{story.decisions / story.seconds:,.0f} decisions a second, each on disk before it was answered,"
        " rewards and training included.\n"
    )


def _show(proof: Proof) -> None:
    for which, model in (("the newest", proof.newest), ("from mid-way", proof.midway)):
        verdict = "the same bytes" if model.same else "OTHER BYTES"
        click.echo(f"  version {model.version}, {which}: {verdict}, SHA-256 {model.sha256}")
    findings = proof.findings
    click.echo(
        f"  {findings.events:,} events chained, {findings.versions:,} versions rebuilt bit for bit,\n"
        f"  {findings.decisions:,} decisions computed again with the same probabilities and the same draw"
    )
    for problem in findings.problems[:5]:
        click.echo(f"  {problem.what}")
    click.secho(
        "\nEverything holds." if proof.holds else "\nNot everything holds.",
        fg="green" if proof.holds else "red",
    )


def _names() -> Iterator[str]:
    return (f"digits-{number}" if number > 1 else "digits" for number in count(1))


def _follow(numbers: Iterator[int], tell: Tell, before: int, total: int) -> None:
    for number in numbers:
        tell(before + number, total)


def _next(data: Path, story: Story, version: int, newest: int) -> str:
    where = f"loopledger --data {data}"
    database = data / story.loop / "log.db"
    return f"""
Look around:
  {where} status {story.loop}
  {where} why {story.loop} {story.last_event_id}
  {where} log {story.loop} --event-id {story.last_event_id}
  {where} diff {story.loop} {version} {newest}
  {where} log {story.loop} --kind PolicyChanged --kind ModelTrained
  {where} model {story.loop} --version {version} --out then.vw
  {where} verify {story.loop}
  sqlite3 {database} "SELECT seq, body ->> '$.chosen' FROM events WHERE kind = 'Ranked' LIMIT 9"
"""
