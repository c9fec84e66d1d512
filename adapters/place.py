"""Where loops are kept."""

from pathlib import Path
from typing import NamedTuple

from loopledger.adapters.files import FileCheckpoints
from loopledger.adapters.memory import MemoryCheckpoints, MemoryStore
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.learning.checkpoints import Checkpoints
from loopledger.log.journal import Store


class Place(NamedTuple):
    """Where one loop is kept.

    Attributes:
        store: Its log.
        checkpoints: What is kept beside the log.
        folder: The folder that holds both; none in memory.

    """

    store: Store
    checkpoints: Checkpoints
    folder: Path | None


def in_folder(folder: Path) -> Place:
    """Return the place of a loop that has a folder of its own."""
    return Place(SqliteStore(folder), FileCheckpoints(folder), folder)


def in_memory() -> Place:
    """Return a place that is gone with the program."""
    return Place(MemoryStore(), MemoryCheckpoints(), None)
