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
from typing import Any, NamedTuple

import click
import msgspec
import pylibvw
from measure import conditions
from problems import Logged, Problem, Question, open_bandit, problems
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import loopledger
from loopledger.adapters.vw.arguments import to_score
from loopledger.adapters.vw.learner import VwLearner
from loopledger.deciding.draw import number_for, uniform_hash
from loopledger.deciding.ranking import likely, rank_actions
from loopledger.policy import LearningPolicy

_LABEL = '{"_label_cost":%r,"_label_probability":%r,"_label_Action":%d,"_labelIndex":%d,'
CAMPAIGNS = {"open-bandit-all": "all", "open-bandit-men": "men", "open-bandit-women": "women"}
_FIRST_RELEARNING = 200
_hasher = VwLearner()
_DATA = Path(__file__).parents[2] / "shared" / "data"


class Lesson(NamedTuple):
    """What is learned from one decision."""

    context: bytes
    position: int
    reward: float
    probability: float


class Pupil:
    """A policy that answers and learns in one place, which gives the weights that fold steps give."""

    def __init__(self, policy: LearningPolicy) -> None:
        self._workspace: Any = pylibvw.vw(to_score(policy, None))

    def score(self, context: bytes) -> list[float]:
        """Return a probability for each of the context's actions."""
        examples = self._workspace._parse(context.decode())
        pylibvw.vw.predict_multi(self._workspace, examples)
        scores: list[float] = examples[0].get_action_scores()
        pylibvw.vw._finish_example_multi_ex(self._workspace, examples)
        return scores

    def score_slots(self, context: bytes) -> Any:
        """Say that there are no slots here."""
        raise NotImplementedError(context)

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Take the rewards of what was chosen."""
        for lesson in lessons:
            label = _LABEL % (-lesson.reward, lesson.probability, lesson.position + 1, lesson.position)
            examples = self._workspace._parse(label + lesson.context[1:].decode())
            pylibvw.vw.learn_multi(self._workspace, examples)
            pylibvw.vw._finish_example_multi_ex(self._workspace, examples)

    def close(self) -> None:
        """Free the model."""
        self._workspace.finish()


class Earned(NamedTuple):
    """What a policy earned on the way, on average."""

    whole: float
    last_fifth: float
    microseconds: float


class Terms(NamedTuple):
    """How a loop learns, beside its policy.

    Attributes:
        minimum_probability: Mixed in where the model gives an action less.
        batch: Decisions between two trainings.
        relearn: How often the past is learned over again whenever it has grown by half; 0 for never.
        live: How often each batch is learned.

    """

    minimum_probability: float = 0.0
    batch: int = 1
    relearn: int = 0
    live: int = 1


def earned(policy: LearningPolicy, questions: Iterable[Question], seed: int, terms: Terms) -> Earned:
    """Let a policy decide and learn.

    Args:
        policy: Under which.
        questions: What it is asked.
        seed: Of the draws.
        terms: How it learns.

    """
    pupil = Pupil(policy)
    rewards: list[float] = []
    seen: list[Lesson] = []
    learned = 0
    next_relearning = _FIRST_RELEARNING
    loop = uniform_hash(f"loop-{seed}")
    begun = time.process_time()
    for number, (context, offered) in enumerate(questions):
        draw = number_for(_hasher.hash_id, loop, f"event-{number}")
        ranking = rank_actions(pupil, context, len(offered), draw, terms.minimum_probability, "Online")
        chosen = ranking.ranked[0]
        rewards.append(offered[chosen])
        seen.append(Lesson(context, chosen, offered[chosen], ranking.probabilities[0]))
        if terms.relearn and len(seen) >= next_relearning:
            next_relearning = len(seen) * 3 // 2
            pupil.close()
            pupil = Pupil(policy)
            pupil.learn(seen * terms.relearn)
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
    for context, position, reward, probability, actions in log:
        offered = likely(pupil, context, actions, minimum_probability)
        weights.append(offered[position] / probability)
        rewards.append(reward)
        pupil.learn([Lesson(context, position, reward, probability)])
    pupil.close()
    total = sum(weights)
    value = sum(map(mul, weights, rewards)) / total
    squares = ((weight * (reward - value)) ** 2 for weight, reward in zip(weights, rewards, strict=True))
    return Judged(value, math.sqrt(sum(squares)) / total, total**2 / sum(weight**2 for weight in weights))


@click.command
@click.option("--sets", "names", help="Which, with commas between; by default all.")
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
    help="Learn the past over, so often, when it grew by half.",
)
@click.option("--live", type=click.IntRange(1, 20), default=1, help="Learn each batch so often.")
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
    live: int,
    data: Path,
    out: Path,
) -> None:
    """Let learning policies learn; all of them, on everything: about half an hour."""
    known = problems(data / "multiclass")
    wanted = names.split(",") if names else [*known, *CAMPAIGNS]
    chosen = {name: known[name] for name in wanted if name in known}
    campaigns = [name for name in wanted if name in CAMPAIGNS]
    ready = {name: one for name, one in loopledger.ready_policies().items() if not one.multi_slot}
    asked = {name: ready.get(name) or LearningPolicy(name, name) for name in policies or ready}
    terms = Terms(minimum_probability, batch, relearn, live)
    found: dict[str, dict[str, list[Earned]]] = {name: {} for name in asked}
    values: dict[str, dict[str, Judged]] = {name: {} for name in asked}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("learning", total=(len(chosen) * seeds + len(campaigns)) * len(asked))
        for problem_name, problem in chosen.items():
            for seed in range(1, seeds + 1):
                questions = list(problem.questions(max(10, round(problem.rounds * rounds)), seed))
                for name, policy in asked.items():
                    progress.update(task, description=f"{problem_name}, {name[:40]}")
                    outcome = earned(policy, questions, seed, terms)
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
                f"{statistics.fmean(one.whole for one in all_):.3f}"
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
            *(
                f"{1000 * one.value:.2f} ± {1960 * one.error:.2f} (of {one.effective:,.0f})"
                for one in found.values()
            ),
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _mean(earnings: dict[str, list[Earned]], names: list[str]) -> float:
    return statistics.fmean(statistics.fmean(one.whole for one in earnings[name]) for name in names)


if __name__ == "__main__":
    main()
