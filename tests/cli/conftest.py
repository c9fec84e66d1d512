import shutil

import learned
import pytest
from click.testing import CliRunner

from loopledger.adapters.cli.main import main


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory):
    """A data folder with one loop, `news`; nobody writes to it."""
    folder = tmp_path_factory.mktemp("cli") / "data"
    learned.make(folder)
    return folder


@pytest.fixture
def data(shared_data, tmp_path):
    """A data folder of one's own, with the loop `news`."""
    return shutil.copytree(shared_data, tmp_path / "data")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LOOPLEDGER_DATA", raising=False)
    return folder


@pytest.fixture
def run(here):
    """Call the command line in this process; what is raised and not answered fails the test."""
    assert here

    def run(*words, code=0, **more):
        result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **more)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run
