"""Keys: two for each loop, so that either can be replaced while clients use the other.

Only SHA-256 hashes are kept. A key is 32 random bytes, not a password that somebody chose: there
is nothing to guess from its hash, so a slow hash would only make every request slow.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

import msgspec

from loopledger.adapters.private_file import write_private
from loopledger.errors import Conflict, InvalidRequest, LoopledgerError, NotFound

FILE = "keys.json"
"""Where the hashes are in the data folder."""

NAMES = ("key1", "key2")
"""What a loop's keys are called."""

_BYTES = 32
_PAUSE = 0.1
"""Seconds between looks at the file: a look lets other threads run, and every request would wait for it."""
_HEADER = b"ocp-apim-subscription-key"

Hashes = dict[str, dict[str, str]]
"""For each loop the hashes of its keys, by their names."""


def create_key(folder: Path, loop: str, name: str | None = None) -> tuple[str, str]:
    """Make a key, and return its name with the key itself, which is kept nowhere.

    Args:
        folder: The data folder.
        loop: The loop that it opens.
        name: ``key1`` or ``key2``, which is replaced if it is there; by default the one that is free.

    Raises:
        Conflict: Both are there, and none was named.
        InvalidRequest: A key cannot have that name.

    """
    key = secrets.token_urlsafe(_BYTES)
    with _changing(folder) as hashes:
        own = hashes.setdefault(loop, {})
        called = name or next((free for free in NAMES if free not in own), None)
        if called is None:
            raise Conflict(f"the loop {loop!r} has both keys: say with --name which of them to replace")
        if called not in NAMES:
            raise InvalidRequest("name", f"must be one of {', '.join(NAMES)}")
        replaced = called in own
        own[called] = _hash(key)
    if replaced:
        time.sleep(_PAUSE)  # when this returns, no server takes the one before any more
    return called, key


def revoke_key(folder: Path, loop: str, name: str) -> None:
    """Let a key open nothing any more, with any server, when this returns.

    Raises:
        NotFound: The loop has no such key.

    """
    with _changing(folder) as hashes:
        if name not in hashes.get(loop, {}):
            raise NotFound(f"the loop {loop!r} has no {name}; `loopledger keys list` shows them all")
        del hashes[loop][name]
    time.sleep(_PAUSE)


def list_keys(folder: Path) -> list[tuple[str, str]]:
    """Return which keys there are: loops and names."""
    return [(loop, name) for loop, own in sorted(_read(folder).items()) for name in sorted(own)]


def hashes_of(folder: Path, loops: Iterable[str]) -> Hashes:
    """Return the hashes of some loops' keys."""
    known = _read(folder)
    return {loop: known[loop] for loop in loops if loop in known}


def put_hashes(folder: Path, hashes: Hashes) -> None:
    """Let keys from elsewhere open the loops that never had one here.

    Where there are keys, or were, nothing changes: one that was revoked must not come back.
    """
    with _changing(folder) as known:
        known |= {loop: own for loop, own in hashes.items() if loop not in known}


def sent_keys(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the keys that the headers of a request hold."""
    for name, value in headers:
        if name == _HEADER:
            yield value.decode("latin-1")
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            yield value[7:].strip().decode("latin-1")


class Keys:
    """The keys of a data folder as a server asks for them; it notices new ones at once, others in a moment.

    Args:
        folder: The data folder.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = str(_file(folder))
        self._looked = -_PAUSE
        self._seen: tuple[int, int, int] | None = None
        self._loops: dict[str, tuple[str, str]] = {}

    def loop(self, key: str) -> str | None:
        """Return the loop that a key opens, if it opens one.

        The hash of what was sent is looked up, and what is found is compared in constant time: how
        long it takes says nothing of any key, as nobody can send what hashes to a wanted beginning.

        Raises:
            LoopledgerError: The file of keys cannot be read.

        """
        if time.monotonic() - self._looked >= _PAUSE:
            self._look()
        hashed = _hash(key)
        if hashed not in self._loops:
            self._look()  # it may just have been made
        known, loop = self._loops.get(hashed, ("", None))
        return loop if compare_digest(known, hashed) else None

    def _look(self) -> None:
        try:
            stat = os.stat(self._file)  # noqa: PTH116 - without making a path for every look
            seen = stat.st_mtime_ns, stat.st_ino, stat.st_size
        except OSError:
            seen = 0, 0, 0
        if seen != self._seen:
            hashes = _read(self._folder)
            self._loops = {hashed: (hashed, loop) for loop, own in hashes.items() for hashed in own.values()}
            self._seen = seen
        self._looked = time.monotonic()


def _file(folder: Path) -> Path:
    return folder / FILE


def _hash(key: str) -> str:
    return sha256(key.encode(errors="replace")).hexdigest()


def _read(folder: Path) -> Hashes:
    path = _file(folder)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Hashes)
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, UnicodeError, OSError) as error:
        raise LoopledgerError(
            f"{path} cannot be read: {error}; put back a copy, or delete it and make new keys"
        ) from None


@contextmanager
def _changing(folder: Path) -> Generator[Hashes]:
    """Yield the hashes, and write them whole afterwards; others who change them wait meanwhile."""
    path = _file(folder)
    handle = os.open(folder / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        hashes = _read(folder)
        yield hashes
        write_private(path, msgspec.json.format(msgspec.json.encode(hashes)))
    finally:
        os.close(handle)
