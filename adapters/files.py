"""Checkpoints in a loop's folder: `models/<version>.vw` and `state.json`. All of it may be deleted."""

from pathlib import Path


class FileCheckpoints:
    """Keeps models and states in files; see `loopledger.learning.checkpoints.Checkpoints`.

    Args:
        folder: The loop's folder.

    """

    def __init__(self, folder: Path) -> None:
        self._models = folder / "models"
        self._state = folder / "state.json"

    def load_model(self, version: int) -> bytes | None:
        """Return a version's bytes, if they are kept."""
        return _read(self._model(version))

    def save_model(self, version: int, model: bytes) -> None:
        """Keep a version's bytes."""
        self._models.mkdir(exist_ok=True)
        _replace(self._model(version), model)

    def drop_model(self, version: int) -> None:
        """Stop keeping a version's bytes."""
        self._model(version).unlink(missing_ok=True)

    def load_state(self) -> bytes | None:
        """Return the state that was saved last."""
        return _read(self._state)

    def save_state(self, state: bytes) -> None:
        """Keep a state instead of the one before."""
        _replace(self._state, state)

    def _model(self, version: int) -> Path:
        return self._models / f"{version:08d}.vw"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or as it was before."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)
