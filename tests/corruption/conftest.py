import shutil

import asked
import pytest
from msgspec.structs import replace
from support import Lent

from loopledger.adapters.embedding import directory, view
from loopledger.adapters.vw.learner import VwLearner


@pytest.fixture(scope="session")
def engine():
    learner = VwLearner(workers=1)
    yield learner
    learner.close()


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder whose loop is whole, a copy as it was while the loop was open, and a compressed one."""
    folder = tmp_path_factory.mktemp("whole")
    asked.make(folder / "closed", lambda: shutil.copytree(folder / "closed", folder / "open"))
    asked.make(folder / "packed", settings=replace(asked.SETTINGS, compression=True), rounds=4)
    return folder


class Ward:
    """Damages copies of a loop, asks them everything, and compares."""

    def __init__(self, whole, place, engine):
        self._whole, self._place, self._engine = whole, place, engine
        self.before = {}

    def ask(self, state, damage, *, lies=False, thorough=False):
        """Return what a loop did not do right after some damage.

        Args:
            state: ``closed``, ``open`` or ``packed``: which copy to damage.
            damage: Is given the loop's folder.
            lies: As `asked.Asked.complaints` says.
            thorough: Whether to ask what takes long, too.

        """
        if (state, thorough) not in self.before:
            self.before[state, thorough] = self._asked(state, lambda _: None, thorough)
            assert self.before[state, thorough].holds
            assert self.before[state, thorough].complaints(self.before[state, thorough]) == []
        found = self._asked(state, damage, thorough)
        return found.complaints(self.before[state, thorough], lies=lies)

    def asked(self, state, damage):
        """Return what a damaged loop answers."""
        return self._asked(state, damage, thorough=False)

    def _asked(self, state, damage, thorough):
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._whole / state, self._place)
        damage(self._place / "news")
        return asked.Asked(self._place, self._engine, thorough=thorough)


@pytest.fixture
def ward(data, tmp_path, engine, monkeypatch):
    monkeypatch.setattr(directory, "VwLearner", lambda _: Lent(engine))
    # Segments are checked here: a process for every case would take minutes.
    monkeypatch.setattr(view, "side_by_side", lambda _: None)
    return Ward(data, tmp_path / "damaged", engine)
