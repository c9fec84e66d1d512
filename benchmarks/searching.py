"""What does a search find? `python benchmarks/searching.py` optimizes loops that learned slowly.

A loop decides with Personalizer's default policy about rows whose right answers are known. Then better
policies are searched for in its log, and the one that is found decides about the same rows from the start:
that is what it truly earns, which no estimate knew. The sets are those of `benchmarks/learning.py`.
"""

import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from measure import conditions
from problems import Problem, problems

import loopledger

_DATA = Path(__file__).parents[2] / "shared" / "data"
_BATCH = 100
_WAIT = 60.0


def lived(folder: Path, problem: Problem, policy: loopledger.LearningPolicy, rounds: int) -> float:
    """Let a loop decide, a second apart, learning every hundred decisions; return its average reward."""
    settings = loopledger.Settings(
        model_update_frequency=0,
        reward_wait_time=_WAIT,
        reward_range=(0.0, 1.0),
        limits=loopledger.Limits(actions=100),
    )
    clock = loopledger.SimulatedClock()
    total, count = 0.0, 0
    with loopledger.open(folder, clock=clock) as ledger:
        loop = ledger.create("loop", settings=settings, policy=policy)
        for context, (rewards, *_) in islice(problem.questions(problem.rounds, 1), rounds):
            whole = msgspec.json.decode(context)
            ids = [action["i"]["id"] for action in whole["_multi"]]
            decision = loop.rank(
                whole["FromUrl"][0], {name: {} for name in ids}, event_id=f"event-{count:06d}"
            )
            reward = rewards[ids.index(decision.action)]
            loop.reward(decision.event_id, reward)
            total, count = total + reward, count + 1
            clock.advance(1)
            if count % _BATCH == 0:
                loop.train()
        clock.advance(_WAIT + 1)
        loop.train()
    return total / count


@click.command(help=__doc__)
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), default=_DATA, help="Where the sets are."
)
@click.option("--set", "sets", multiple=True, default=("digits", "optdigits", "pendigits", "ohscal"))
@click.option(
    "--rounds", default=5_000, show_default=True, help="Decisions in a log, if the set has as many."
)
@click.option("--budget", default=300.0, show_default=True, help="Seconds for each search.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).with_suffix(".json"))
def main(data: Path, sets: tuple[str, ...], rounds: int, budget: float, out: Path) -> None:
    there = problems(data / "multiclass")
    found = []
    for name in sets:
        with TemporaryDirectory() as temporary:
            found.append(_one(name, there[name], rounds, budget, Path(temporary)))
        click.echo(msgspec.json.format(msgspec.json.encode(found[-1])))
    written = msgspec.json.encode({"conditions": conditions(out.parent), "found": found})
    out.write_bytes(msgspec.json.format(written) + b"\n")


def _one(name: str, problem: Problem, rounds: int, budget: float, folder: Path) -> dict[str, object]:
    default = loopledger.ready_policy("personalizer-default")
    online = lived(folder / "log", problem, default, rounds)
    begun = time.perf_counter()
    with loopledger.open(folder / "log") as ledger:
        report = ledger.loop("loop").optimize(
            budget=budget, progress=lambda standing: print(name, standing, file=sys.stderr)
        )
    seconds = time.perf_counter() - begun
    searched = report.searched
    assert searched is not None
    policies = {judged.name: judged for judged in report.policies}
    winner = policies.get(searched.winner or "")
    made: dict[str, object] = {
        "set": name,
        "decisions": searched.decisions + report.decisions,
        "seconds": round(seconds, 1),
        "trials": searched.trials,
        "stopped": searched.stopped,
        "failed": searched.failed,
        "online": round(online, 4),
        "found": None if winner is None else winner.arguments,
    }
    if winner is not None and winner.verdict is not None:
        policy = loopledger.LearningPolicy("found", winner.arguments)
        made |= {
            "truly": round(lived(folder / "again", problem, policy, rounds), 4),
            "seemed": round(searched.best[0].average_reward, 4),
            "held out": round(winner.overall.average_reward, 4),
            "interval": [round(end, 4) for end in winner.overall.interval],
            "verdict": winner.verdict.judgement,
            "online held out": round(policies["Online"].overall.average_reward, 4),
        }
    return made


if __name__ == "__main__":
    main()
