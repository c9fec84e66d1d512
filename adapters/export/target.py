"""Files that are there whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from loopledger.errors import Conflict, InvalidRequest


@contextmanager
def whole_file(path: Path, *, force: bool) -> Generator[BinaryIO]:
    """Yield a file to write, which gets its name when everything is in it.

    Args:
        path: Its name.
        force: Whether to replace a file of that name.

    Raises:
        Conflict: There is a file of that name.
        InvalidRequest: There can be none.

    """
    try:
        path = Path(os.path.realpath(path))
        _check_free(path, force=force)
        beside = path.with_name(f".{os.urandom(6).hex()}.part")
        file = beside.open("xb")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidRequest("out", f"cannot be written in {path.parent}: {why}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _check_free(path, force=force)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _check_free(path: Path, *, force: bool) -> None:
    if not path.exists():
        return
    if not path.is_file():
        raise InvalidRequest("out", "must be a file, and is something else")
    if not force:
        raise Conflict(
            f"{path} is there already: give another name, or force it to be replaced (--force, force=True)"
        )
