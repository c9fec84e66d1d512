import os
import sys
from pathlib import Path

import pytest
from few_processes import KeptWorkers, computed_here
from hypothesis import HealthCheck, Phase, settings
from support import Lent, TinyLearner

from loopledger.adapters.embedding import beginning, directory, view
from loopledger.adapters.optimization.apart import computed_apart
from loopledger.adapters.verifier import side_by_side
from loopledger.adapters.vw import learner
from loopledger.adapters.vw.learner import VwLearner
from loopledger.adapters.vw.workers import Workers
from loopledger.clock import SimulatedClock

settings.register_profile(
    "default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=2000)
# The same examples every time, and none made smaller: of a mutant it only matters that a test fails.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("default"),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("default")


HERE = Path(__file__).parent
# What `-m faults` runs, besides single tests that are marked where they stand.
FAULTS = [
    HERE / name
    for name in (
        "conformance/test_journal.py",
        "corruption",
        "crash",
        "fuzz/test_loop_machine.py",
        "golden",
        "http/test_http_troubles.py",
        "replay",
        "simulation",
        "test_actor.py",
        "test_anchor.py",
        "test_chain.py",
        "test_checkpoints.py",
        "test_files.py",
        "test_joining.py",
        "test_sqlite.py",
        "test_whole.py",
        "test_workers.py",
    )
]


def pytest_collection_modifyitems(items):
    assert all(path.exists() for path in FAULTS)
    for item in items:
        if any(item.path.is_relative_to(path) for path in FAULTS):
            item.add_marker("faults")


def pytest_configure(config):
    """Where Python may leave no bytecode beside the sources, let the many processes of a run share it elsewhere.

    Without, each of them compiles all of loopledger for itself: as much again as most of them have to do.
    """
    if sys.dont_write_bytecode and hasattr(config, "cache") and not hasattr(config, "workerinput"):
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("bytecode"))


@pytest.fixture(scope="session", autouse=True)
def _few_processes():
    """Let learning processes go from one ledger to the next; verify and evaluate in this one.

    To start a process takes longer than most tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "Workers", KeptWorkers)
        patch.setattr(view, "side_by_side", lambda _: None)
        patch.setattr(beginning, "computed_apart", computed_here)
        yield
    KeptWorkers.end()


@pytest.fixture
def own_processes(monkeypatch):
    """Let ledgers start processes of their own, and end them, as they do for their users."""
    monkeypatch.setattr(learner, "Workers", Workers)
    monkeypatch.setattr(view, "side_by_side", side_by_side)
    monkeypatch.setattr(beginning, "computed_apart", computed_apart)


@pytest.fixture(scope="session")
def vw(_few_processes):
    learner = VwLearner(workers=2)
    yield learner
    learner.close()


@pytest.fixture
def lent(vw, monkeypatch):
    """Let ledgers use the learning processes that run already: starting some for every test takes long."""
    monkeypatch.setattr(directory, "VwLearner", lambda _: Lent(vw))


@pytest.fixture
def tiny(monkeypatch):
    """Let ledgers learn without VowpalWabbit, and return the learner that they all share."""
    learner = TinyLearner()
    monkeypatch.setattr(directory, "VwLearner", lambda _: Lent(learner))
    return learner


@pytest.fixture
def clock():
    return SimulatedClock()
