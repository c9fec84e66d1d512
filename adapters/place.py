"""Where loops are kept."""

import re
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from loopledger.adapters.files import FileCheckpoints
from loopledger.adapters.lasting import make_folder
from loopledger.adapters.memory import MemoryCheckpoints, MemoryStore
from loopledger.adapters.sqlite.store import SqliteStore
from loopledger.errors import InvalidRequest, LoopledgerError
from loopledger.learning.checkpoints import Checkpoints
from loopledger.log.journal import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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


def loop_names(folder: Path) -> list[str]:
    """Return the names of the loops in a data folder, in order."""
    found = (path.parent.name for path in folder.glob("*/log.db"))
    return sorted(name for name in found if _NAME.fullmatch(name))


def check_name(name: object) -> None:
    """Refuse what cannot be a loop's name.

    Raises:
        InvalidRequest: It is not a plain file name.

    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(
            "name",
            "must have 1 to 64 ASCII letters, digits, dots, hyphens or underscores, a letter or digit first",
        )


def check_data_folder(folder: Path) -> None:
    """Make a data folder if there is none, and try to write there.

    Raises:
        LoopledgerError: It cannot be made, or not be written.

    """
    try:
        make_folder(folder)
        with TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise LoopledgerError(
            f"{folder} cannot be the data folder: {error.strerror}; name one that can be written with --data"
        ) from None
