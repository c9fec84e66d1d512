"""`python tests/simulation --seeds 1000 --from 42`: as many seeds as you like, and one again that failed."""

import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from seeds import KINDS, STEPS, simulate  # what it imports lies in the tests' folder

from loopledger.adapters.vw.learner import VwLearner


@click.command
@click.option("--seeds", type=click.IntRange(1), default=100, show_default=True, help="How many.")
@click.option("--from", "first", type=int, default=1, show_default=True, help="The first seed.")
@click.option("--steps", type=click.IntRange(1), default=STEPS, show_default=True, help="Of each.")
@click.option("--kind", type=click.Choice(KINDS), help="Learner and store, instead of the seed's own.")
@click.option("--trace", is_flag=True, help="Print what happens.")
def main(seeds, first, steps, kind, trace):
    """Simulate loops, callers and faults, and stop at the first seed that fails."""
    begun = time.monotonic()
    learner = VwLearner(workers=1)
    for number, seed in enumerate(range(first, first + seeds), start=1):
        digest = simulate(seed, steps, kind, learner, click.echo if trace else None)
        if number == seeds or number % 100 == 0:
            click.echo(f"{number} seeds in {time.monotonic() - begun:.0f} s, the last one: {seed} {digest}")
    learner.close()


if __name__ == "__main__":
    main()
