"""What a seed runs with, and what is said of one that fails."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from world import World

STEPS = 300
KINDS = ("memory", "sqlite", "vw", "vw-sqlite")
"""The tiny learner or VowpalWabbit, the log in memory or on disk."""


class Failed(AssertionError):
    """A seed failed."""


def kind_of(seed):
    """Return what a seed runs with: the tiny learner in memory, mostly."""
    return {3: "sqlite", 7: "vw", 19: "vw-sqlite"}.get(seed % 20, "memory")


def simulate(seed, steps=STEPS, kind=None, learner=None, tell=None):
    """Return the digest of the logs that a seed comes to.

    Args:
        seed: Decides everything.
        steps: How many things happen.
        kind: One of `KINDS`; by default the seed's own.
        learner: VowpalWabbit, for the kinds that learn with it.
        tell: Is told what happens.

    Raises:
        Failed: Says how to see it again.

    """
    kind = kind or kind_of(seed)
    learner = learner if kind.startswith("vw") else None
    try:
        if not kind.endswith("sqlite"):
            return World(seed, steps, learner, None, tell).run()
        with TemporaryDirectory(prefix="simulation-") as folder:
            return World(seed, steps, learner, Path(folder), tell).run()
    except Exception as error:
        again = f"python tests/simulation --seeds 1 --from {seed} --steps {steps} --kind {kind} --trace"
        raise Failed(f"seed {seed} at commit {_commit()}: {error!r}\nsee it again: {again}") from error


def _commit():
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
