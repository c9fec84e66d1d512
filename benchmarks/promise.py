"""Does what is promised come? `python benchmarks/promise.py` asks the demonstration's loop, and then waits.

The demonstration's loop is evaluated against four policies and optimized, the winner is applied, and a
week of the same world follows. What that week earns stands beside the interval that was promised.
"""

import subprocess
import sys
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import click

import loopledger
from loopledger.adapters.digits import World, stream
from loopledger.adapters.report.page import html as page

AGAINST = ("recommended", "squarecb", "regcb", "epsilon-greedy")
WEEK = 7 * 86_400.0


@click.command
@click.option("--budget", type=float, default=300.0, show_default=True, help="Seconds of optimizing.")
@click.option(
    "--passes", type=int, default=3, show_default=True, help="How often all digits come in the week."
)
@click.option("--html", type=click.Path(path_type=Path), help="Where to put the report.")
def main(budget: float, passes: int, html: Path | None) -> None:
    """Promise, apply, and count."""
    with TemporaryDirectory(prefix="loopledger-promise-") as folder:
        demo = [sys.executable, "-m", "loopledger", "--data", folder, "demo", "--json"]
        subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
        with loopledger.open(folder) as ledger:
            last = ledger.loop("digits").as_of().at
        clock = loopledger.SimulatedClock(last + 3_600_000_000)
        with loopledger.open(folder, clock=clock) as ledger:
            _promise(ledger.loop("digits"), clock, budget, passes, html)


def _promise(
    loop: loopledger.Loop, clock: loopledger.SimulatedClock, budget: float, passes: int, html: Path | None
) -> None:
    judged = loop.evaluate(policies={name: loopledger.ready_policy(name) for name in AGAINST}, name="four")
    _show("four policies over the whole log", judged)
    found = loop.optimize(budget=budget, evaluation_id="search", name="search")
    if found.searched is None:
        raise AssertionError("a search tells what it tried")
    _show(f"the winner of {found.searched.trials:,} trials, on the last quarter", found)
    if html:
        html.write_text(page(judged), "utf-8")
    winner = found.searched.winner
    if winner is None:
        print("nothing better was found")
        return
    promised = next(policy for policy in found.policies if policy.name == winner)
    loop.apply_evaluation("search", winner)
    seen = [one._replace(event_id=f"week-{one.event_id}") for one in stream(passes, seed=97)]
    world = World(loop, clock, seed=97, seconds_apart=WEEK / len(seen))
    for _ in world.show(seen):
        pass
    world.finish()
    earned = fmean(world.rewards)
    low, high = promised.overall.interval
    print(f"\nwinner    {promised.arguments}")
    print(f"promised  {promised.overall.average_reward:.4f}, from {low:.4f} to {high:.4f}")
    print(f"earned    {earned:.4f} in {len(seen):,} decisions of the following week")
    report = loop.verify()
    print(f"verify    {'everything holds' if report.holds else report.findings.problems}")


def _show(what: str, report: loopledger.Evaluation) -> None:
    print(f"\n{what} ({report.decisions:,} decisions)")
    for policy in report.policies:
        low, high = policy.overall.interval
        verdict = policy.verdict.judgement if policy.verdict else ""
        print(f"  {policy.name:<20} {policy.overall.average_reward:.4f}  {low:.4f} to {high:.4f}  {verdict}")


if __name__ == "__main__":
    main()
