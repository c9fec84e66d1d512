"""How well does it learn? `python benchmarks/learning.py` lets policies learn, and prints tables.

Every policy decides, is told the reward of what it chose, learns, and goes on: the mean reward on the
way is what it would have earned. Probabilities, draws and the layout of contexts are the loop's own.
The JSON that goes with the table is written beside: `benchmarks/learning.json`, or what `--out` says.

Where clicks are few, policies are judged on the Open Bandit Dataset's sample instead: what would they
have earned where somebody chose at random?

The real sets are not part of the package. In the folder that `--data` names stand `multiclass`, rows of
`label | index:value ...` as at github.com/pmineiro/elfcb, and `open_bandit`, the sample that obp carries.
Digits come with scikit-learn.
"""

import math
import statistics
import sys
import time
from collections.abc import Iterable
from itertools import islice
from operator import mul
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from measure import conditions
from problems import Logged, Problem, Question, open_bandit, problems
from pupil import Lesson, Pupil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import loopledger
from loopledger.deciding.ranking import Ranking, likely
from loopledger.learning.namespaces import crossed
from loopledger.policy import LearningPolicy

CAMPAIGNS = {"open-bandit-all": "all", "open-bandit-men": "men", "open-bandit-women": "women"}
_FIRST_RELEARNING = 200
_SELDOM = 0.05
_FEWEST_CLICKS = 10
_DATA = Path(__file__).parents[2] / "shared" / "data"


class Earned(NamedTuple):
    """What a policy earned on the way, on average."""

    whole: float
    last_fifth: float
    microseconds: float


class Terms(NamedTuple):
    """How a loop learns, beside its policy.

    Attributes:
        seed: Of the order and the draws.
        minimum_probability: Mixed in where the model gives an action less.
        batch: Decisions between two trainings.
        relearn: How often the past is learned over again whenever it has grown by half; 0 for never.
        step: So many decisions are learned over and over before the next ones, as in a fold step.
        live: How often each batch is learned.

    """

    seed: int
    minimum_probability: float = 0.0
    batch: int = 1
    relearn: int = 0
    step: int = 20_000
    live: int = 1


def earned(policy: LearningPolicy, problem: Problem, questions: Iterable[Question], terms: Terms) -> Earned:
    """Let a policy decide and learn."""
    pupil = Pupil(policy, terms.minimum_probability, terms.seed)
    rewards: list[float] = []
    seen: list[Lesson] = []
    learned = 0
    next_relearning = _FIRST_RELEARNING
    begun = time.process_time()
    for number, (context, offered) in enumerate(questions):
        rankings = pupil.decide(context, len(offered[0]), problem.slots, number)
        got = [every[ranking.ranked[0]] for every, ranking in zip(offered, rankings, strict=True)]
        rewards.append(statistics.fmean(got))
        seen.append(Lesson(context, rankings, got))
        if terms.relearn and len(seen) >= next_relearning:
            next_relearning = len(seen) * 3 // 2
            pupil.close()
            pupil = Pupil(policy, terms.minimum_probability, terms.seed)
            for first in range(0, len(seen), terms.step):
                pupil.learn(seen[first : first + terms.step] * terms.relearn)
            learned = len(seen)
        elif len(seen) - learned >= terms.batch:
            pupil.learn(seen[learned:] * terms.live)
            learned = len(seen)
    seconds = time.process_time() - begun
    pupil.close()
    last = rewards[-(len(rewards) // 5) :]
    return Earned(statistics.fmean(rewards), statistics.fmean(last), 1e6 * seconds / len(rewards))


class Judged(NamedTuple):
    """What a policy would have earned where another one decided.

    Attributes:
        value: The estimate by self-normalized inverse propensities.
        error: Its standard error.
        effective: The effective sample size.

    """

    value: float
    error: float
    effective: float


def judged(policy: LearningPolicy, log: Iterable[Logged], minimum_probability: float) -> Judged:
    """Let a policy say what it would have done, and learn from what was done.

    Swaminathan and Joachims: The self-normalized estimator for counterfactual learning, 2015.
    """
    pupil = Pupil(policy)
    weights: list[float] = []
    rewards: list[float] = []
    for context, position, reward, actions in log:
        offered = likely(pupil, context, actions, minimum_probability)
        weights.append(offered[position] * actions)
        rewards.append(reward)
        pupil.learn([Lesson(context, [Ranking((position,), (1 / actions,))], [reward])])
    pupil.close()
    total = sum(weights)
    value = sum(map(mul, weights, rewards)) / total
    squares = ((weight * (reward - value)) ** 2 for weight, reward in zip(weights, rewards, strict=True))
    return Judged(value, math.sqrt(sum(squares)) / total, total**2 / sum(weight**2 for weight in weights))


@click.command
@click.option("--sets", "names", help="Which, with commas between; by default all but slots.")
@click.option(
    "--policies", "policies", multiple=True, help="A ready one's name, or arguments; may be repeated."
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=3, help="Orders and draws, over which it is averaged."
)
@click.option(
    "--rounds", type=click.FloatRange(0.01, 1), default=1.0, help="The share of the usual decisions."
)
@click.option(
    "--minimum-probability", type=click.FloatRange(0, 0.01), default=0.0, help="A loop's default is 0.001."
)
@click.option("--batch", type=click.IntRange(1), default=1, help="Decisions between two trainings.")
@click.option(
    "--relearn",
    type=click.IntRange(0, 20),
    default=0,
    help="Learn the past anew, so often, when it has grown by half.",
)
@click.option("--step", type=click.IntRange(1), default=20_000, help="Decisions in a step of relearning.")
@click.option("--live", type=click.IntRange(1, 20), default=1, help="Learn each batch so often.")
@click.option("--crossed", "crossing", is_flag=True, help="Cross a set's own namespaces.")
@click.option("--data", type=click.Path(path_type=Path), default=_DATA, help="The folder of the real sets.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).with_name("learning.json"))
def main(  # noqa: PLR0913, PLR0917 - one for each option
    names: str | None,
    policies: tuple[str, ...],
    seeds: int,
    rounds: float,
    minimum_probability: float,
    batch: int,
    relearn: int,
    step: int,
    live: int,
    crossing: bool,
    data: Path,
    out: Path,
) -> None:
    """Let learning policies learn; all of them, on everything: about half an hour."""
    known = problems(data / "multiclass")
    every = [name for name, problem in known.items() if not problem.slots]
    wanted = names.split(",") if names else [*every, *CAMPAIGNS]
    chosen = {name: known[name] for name in wanted if name in known}
    campaigns = [name for name in wanted if name in CAMPAIGNS]
    ready = loopledger.ready_policies()
    several = any(problem.slots for problem in chosen.values())
    if several and not all(problem.slots for problem in chosen.values()):
        raise click.UsageError("sets with slots and without take different policies: ask for them apart")
    fitting = [name for name, one in ready.items() if one.multi_slot == several]
    asked = {name: ready.get(name) or LearningPolicy(name, name) for name in policies or fitting}
    found: dict[str, dict[str, list[Earned]]] = {name: {} for name in asked}
    values: dict[str, dict[str, Judged]] = {name: {} for name in asked}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("learning", total=(len(chosen) * seeds + len(campaigns)) * len(asked))
        for problem_name, problem in chosen.items():
            for seed in range(1, seeds + 1):
                questions = list(problem.questions(max(10, round(problem.rounds * rounds)), seed))
                for name, policy in asked.items():
                    progress.update(task, description=f"{problem_name}, {name[:40]}")
                    used = crossed(policy, problem.namespaces) if crossing else policy
                    terms = Terms(seed, minimum_probability, batch, relearn, step, live)
                    outcome = earned(used, problem, questions, terms)
                    found[name].setdefault(problem_name, []).append(outcome)
                    progress.advance(task)
        for campaign in campaigns:
            for name, policy in asked.items():
                progress.update(task, description=f"{campaign}, {name[:40]}")
                log = islice(open_bandit(data / "open_bandit", CAMPAIGNS[campaign]), round(10_000 * rounds))
                values[name][campaign] = judged(policy, log, minimum_probability)
                progress.advance(task)
    report = {
        "command": " ".join(["python benchmarks/learning.py", *sys.argv[1:]]),
        "conditions": conditions(Path()),
        "policies": {name: policy.arguments for name, policy in asked.items()},
        "earned": found,
        "judged": values,
    }
    out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if chosen:
        _show(found, chosen)
    if campaigns:
        _show_judged(values, campaigns)


def _show(found: dict[str, dict[str, list[Earned]]], chosen: dict[str, Problem]) -> None:
    five = [name for name, problem in chosen.items() if problem.chosen_on]
    table = Table("policy", *chosen, "mean of the five", "a decision", box=None)
    for policy, earnings in sorted(found.items(), key=lambda one: -_mean(one[1], five or list(chosen))):
        micros = statistics.fmean(one.microseconds for all_ in earnings.values() for one in all_)
        table.add_row(
            policy,
            *(
                f"{statistics.fmean(one.whole for one in all_):{_digits(all_)}}"
                f" ({statistics.fmean(one.last_fifth for one in all_):.2f})"
                for all_ in earnings.values()
            ),
            f"{_mean(earnings, five):.3f}" if five else "",
            f"{micros:.0f} µs",
        )
    Console(width=None if sys.stdout.isatty() else 250).print(table)


def _show_judged(values: dict[str, dict[str, Judged]], campaigns: list[str]) -> None:
    table = Table("policy", *(f"{name}, clicks in 1,000" for name in campaigns), box=None)
    for policy, found in values.items():
        table.add_row(
            policy,
            *(_estimate(one) for one in found.values()),
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _estimate(found: Judged) -> str:
    """Return an estimate with its interval, or that there is none: a few clicks say nothing."""
    if found.effective * found.value < _FEWEST_CLICKS:
        return f"too little to say (effective sample {found.effective:,.0f})"
    return f"{1000 * found.value:.1f} ± {1960 * found.error:.1f} (effective sample {found.effective:,.0f})"


def _digits(all_: list[Earned]) -> str:
    return ".3f" if max(one.whole for one in all_) > _SELDOM else ".4f"


def _mean(earnings: dict[str, list[Earned]], names: list[str]) -> float:
    return statistics.fmean(statistics.fmean(one.whole for one in earnings[name]) for name in names)


if __name__ == "__main__":
    main()
