from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import Lent, TinyLearner

from loopledger.adapters.embedding import directory
from loopledger.adapters.vw.learner import VwLearner
from loopledger.clock import SimulatedClock

settings.register_profile(
    "default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=2000)
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
        "test_actor.py",
        "test_anchor.py",
        "test_chain.py",
        "test_checkpoints.py",
        "test_files.py",
        "test_joining.py",
        "test_sqlite.py",
        "test_whole.py",
    )
]


def pytest_collection_modifyitems(items):
    assert all(path.exists() for path in FAULTS)
    for item in items:
        if any(item.path.is_relative_to(path) for path in FAULTS):
            item.add_marker("faults")


@pytest.fixture(scope="session")
def vw():
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
