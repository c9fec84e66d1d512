"""Cooked logs on disk: read a line at a time, plain or gzip."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from loopledger.errors import InvalidRequest
from loopledger.exchange.history import Numbered
from loopledger.log.history_events import HistoryFile

_GZIP = b"\x1f\x8b"
_FLATBUFFERS = b"VWFB"
_MARK = b"\xef\xbb\xbf"
_PIECE = 1_048_576
_REPORT_EVERY = 1_000


class CookedFiles:
    """Cooked logs, read once from beginning to end.

    Args:
        paths: The files, in their order.
        longest: The most bytes of a line; of a longer one only the beginning is handed on.
        progress: Is told of bytes read, and of how many there are.

    Attributes:
        read: What was read, file by file.

    """

    def __init__(
        self, paths: Sequence[Path], longest: int, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self.read: list[HistoryFile] = []
        self._paths = paths
        self._longest = longest
        self._progress = progress or (lambda _done, _total: None)
        self._total = sum(path.stat().st_size for path in paths)
        self._done = 0

    def __iter__(self) -> Iterator[Numbered]:
        for path in self._paths:
            yield from self._lines(path)
        self._progress(self._total, self._total)

    def _lines(self, path: Path) -> Iterator[Numbered]:
        number = 0
        with _opened(path) as file:
            begins = file.peek(4)[:4]
            if begins == _FLATBUFFERS:
                raise InvalidRequest(
                    "history",
                    f"{path.name} is a binary log; turn it into lines of JSON first, with VowpalWabbit's "
                    "--binary_parser and --binary_to_json",
                )
            counted = _Counted(file)
            opened: Any = gzip.GzipFile(fileobj=counted) if begins[:2] == _GZIP else counted
            text = io.BufferedReader(opened, _PIECE)
            try:
                while line := text.readline(self._longest + 1):
                    number += 1
                    if len(line) > self._longest:
                        _skip(text, line)
                    yield path.name, number, line.removeprefix(_MARK) if number == 1 else line
                    if number % _REPORT_EVERY == 0:
                        self._progress(self._done + counted.count, self._total)
            except (gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise InvalidRequest("history", f"{path.name} is damaged: {error}") from None
            self._done += counted.count
            self.read.append(HistoryFile(path.name, counted.digest.hexdigest(), number))


class _Counted(io.RawIOBase):
    """Hands a file's bytes on, and adds them up."""

    def __init__(self, file: io.BufferedReader) -> None:
        super().__init__()
        self._file = file
        self.count = 0
        self.digest = sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self.count += len(piece)
        self.digest.update(piece)
        return len(piece)


def _skip(text: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = text.readline(_PIECE)


def _opened(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidRequest("files", f"cannot be read: {error}") from None
