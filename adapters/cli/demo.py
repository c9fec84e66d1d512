"""`loopledger demo`: a loop learns, and is taken apart and put together again from its log."""

import shutil
import time
from itertools import count
from pathlib import Path

import click

from loopledger.adapters.cli.chart import draw_picture, draw_text, moving_average
from loopledger.adapters.cli.output import as_json, print_json, progress
from loopledger.adapters.digits import World, best_fixed, stream
from loopledger.adapters.embedding.ledger import Ledger, Loop
from loopledger.adapters.ready import ready_policy
from loopledger.clock import SimulatedClock

_WINDOW = 300
_UNIFORM = 0.1
_BEFORE, _AFTER = "personalizer-default", "recommended"


@click.command
@click.option(
    "--passes", type=click.IntRange(2, 20), default=3, show_default=True, help="How often all digits come."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed is another story.")
@as_json
@click.pass_context
def command(ctx: click.Context, passes: int, seed: int, json_: bool) -> None:
    """Learn handwritten digits from rewards alone, then prove it from the log.

    1,797 digits come several times in a random order. The loop says which digit it sees and hears
    only whether that was right; some rewards come late or never. Half way the learning policy is
    changed and the past relearned. Then everything but the log is deleted, models are rebuilt from
    it, and every decision is checked. The data folder stays, to be explored.
    """
    data: Path = ctx.obj
    say = (lambda _text="": None) if json_ else click.echo
    seen = stream(passes, seed)
    name = next(
        name
        for number in count(1)
        if not (data / (name := f"digits{f'-{number}' if number > 1 else ''}")).exists()
    )
    clock = SimulatedClock()
    half = len(seen) // 2
    begun = time.perf_counter()
    with Ledger(data, clock=clock) as ledger:
        loop = ledger.create(name, policy=ready_policy(_BEFORE))
        world = World(loop, clock, seed)
        say(
            f"The loop {name!r} sees {len(seen):,} handwritten digits, one every two seconds of a simulated clock,"
        )
        say(f"under the policy “{_BEFORE}”, and is trained every five simulated minutes.\n")
        with progress("deciding") as tell:
            for number in world.show(seen[:half]):
                tell(number, len(seen))
        loop.change_policy(ready_policy(_AFTER), relearn=True)
        relearned = loop.train()
        with progress("deciding") as tell:
            for number in world.show(seen[half:]):
                tell(half + number, len(seen))
        world.finish()
        seconds = time.perf_counter() - begun
        status = loop.status()
        newest = loop.model()
        midway = loop.model(seq=status.events // 2)

    curve = moving_average(world.rewards, _WINDOW)
    fixed = best_fixed(seen)
    picture = data / f"{name}-learning-curve.png"
    draw_picture(picture, curve, uniform=_UNIFORM, fixed=fixed, switched=half, window=_WINDOW)
    before, after = curve[half - 1], curve[-1]
    say(draw_text(curve))
    say(f"      average reward of the last {_WINDOW} decisions; also drawn in {picture}\n")
    say(f"  even choice             {_UNIFORM:6.1%}")
    say(f"  best fixed action       {fixed:6.1%}")
    say(f"  “{_BEFORE}” {before:7.1%}   at half time")
    say(f"  “{_AFTER}”          {after:7.1%}   at the end, the past relearned in version {relearned[-1]}")
    mishaps = ", ".join(f"{number} {what}" for what, number in sorted(world.told.items()))
    say(
        f"\n{status.events:,} events are in the log ({mishaps}); {len(seen) / seconds:,.0f} decisions a second,"
    )
    say("each on disk before it was answered, rewards and training included.\n")

    say(f"Now everything but {data / name / 'log.db'} is deleted.")
    _forget(data / name)
    with Ledger(data, clock=clock) as ledger, progress("rebuilding and verifying") as tell:
        again = ledger.loop(name)
        same_newest = _same(again, newest.version, newest.data)
        same_midway = _same(again, midway.version, midway.data)
        verification = again.verify(tell)
    findings = verification.findings
    say(f"  version {newest.version} (the newest)  {_verdict(same_newest)}  {newest.sha256}")
    say(f"  version {midway.version} (mid-way)     {_verdict(same_midway)}  {midway.sha256}")
    say(f"  {findings.events:,} events chained, {findings.versions:,} versions rebuilt bit for bit,")
    say(f"  {findings.decisions:,} decisions computed again with the same probabilities and the same draw")
    for problem in findings.problems[:5]:
        say(f"  {problem.what}")
    holds = same_newest and same_midway and verification.holds
    say("\nEverything holds." if holds else "\nNot everything holds.")
    if holds:
        say(_next(data, name, seen[-1].event_id, midway.version))
    if json_:
        print_json(
            {
                "loop": name,
                "decisions": len(seen),
                "events": status.events,
                "seconds": round(seconds, 3),
                "uniform": _UNIFORM,
                "best_fixed": fixed,
                "half_time": before,
                "end": after,
                "picture": str(picture),
                "newest": {"version": newest.version, "sha256": newest.sha256, "same": same_newest},
                "midway": {"version": midway.version, "sha256": midway.sha256, "same": same_midway},
                "verified": findings,
                "holds": holds,
            }
        )
    if not holds:
        ctx.exit(1)


def _forget(folder: Path) -> None:
    """Delete everything of a closed loop but its log."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "log.db":
            entry.unlink()


def _same(loop: Loop, version: int, data: bytes) -> bool:
    return loop.model(version).data == data


def _verdict(same: bool) -> str:
    return "the same bytes  " if same else "OTHER BYTES     "


def _next(data: Path, name: str, event_id: str, version: int) -> str:
    where = f"loopledger --data {data}"
    return f"""
Look around:
  {where} status {name}
  {where} log {name} --event-id {event_id}
  {where} log {name} --kind PolicyChanged --kind ModelTrained
  {where} model {name} --version {version} --out then.vw
  sqlite3 {data / name / "log.db"} "select seq, kind, body ->> '$.chosen' from events limit 20"
  {where} verify {name}"""
