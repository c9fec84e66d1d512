"""Where one loop's log is on disk."""

from pathlib import Path

from loopledger.adapters.lasting import make_folder
from loopledger.adapters.sqlite.journal import SqliteJournal
from loopledger.adapters.sqlite.reader import SqliteReader, open_reader
from loopledger.errors import NotFound


class SqliteStore:
    """A loop's folder, seen as the place of its log; see `loopledger.log.journal.Store`.

    Args:
        folder: The loop's folder.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "log.db"

    def writer(self) -> SqliteJournal:
        """Open the log for writing; it is made if there is none."""
        make_folder(self._folder)
        return SqliteJournal(self._path)

    def reader(self) -> SqliteReader:
        """Open the log for reading.

        Raises:
            NotFound: There is no log.

        """
        if not self._path.is_file():
            raise NotFound(f"there is no log at {self._path}")
        return open_reader(self._path)
