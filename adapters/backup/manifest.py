"""What a backup says of itself: its loops, how far each log goes, and the hash of every file."""

import os
from hashlib import sha256
from pathlib import Path

import msgspec

from loopledger.adapters.place import check_name
from loopledger.errors import BackupDamaged, InvalidRequest

FORMAT = 1
"""The version of a backup's layout."""

NAME = "manifest.json"
"""Where a backup says what it is; whatever has none is no backup."""


class SavedFile(msgspec.Struct, frozen=True):
    """A file of a backup.

    Attributes:
        size: In bytes.
        sha256: Of its content, in hexadecimal digits.

    """

    size: int
    sha256: str


class SavedLoop(msgspec.Struct, frozen=True):
    """A loop in a backup.

    Attributes:
        name: The loop's name.
        seq: Its last event.
        at: When that event came, UTC in microseconds since 1970.
        digest: That event's digest, in hexadecimal digits.
        models: Versions whose bytes are in the backup; the others are made again from the log.

    """

    name: str
    seq: int
    at: int
    digest: str
    models: tuple[int, ...] = ()


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of some loops of a data folder.

    Attributes:
        format: The version of its layout.
        at: When it was begun, UTC in microseconds since 1970.
        loopledger: The release that made it.
        loops: What is in it, by name.
        files: Every file in it but the manifest, by its path.

    """

    format: int = FORMAT
    at: int
    loopledger: str
    loops: tuple[SavedLoop, ...]
    files: dict[str, SavedFile]

    def loop(self, name: str) -> SavedLoop | None:
        """Return a loop by its name."""
        return next((loop for loop in self.loops if loop.name == name), None)


class _Envelope(msgspec.Struct, frozen=True):
    """A manifest with the hash of its own text."""

    sha256: str
    backup: msgspec.Raw


class _Format(msgspec.Struct, frozen=True):
    format: int


def write_manifest(folder: Path, backup: Backup) -> None:
    """Write what a backup says of itself."""
    text = msgspec.json.encode(backup)
    whole = _Envelope(sha256(text).hexdigest(), msgspec.Raw(text))
    with (folder / NAME).open("xb") as file:
        file.write(msgspec.json.encode(whole) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Backup:
    """Return what a backup says of itself.

    Raises:
        InvalidRequest: The folder is no backup, or one of a newer release.
        BackupDamaged: The manifest is not what was written.

    """
    try:
        content = (folder / NAME).read_bytes()
    except (OSError, ValueError):
        raise InvalidRequest(
            "source", f"is no backup: it has no {NAME} to read; name the folder that `loopledger backup` made"
        ) from None
    changed = BackupDamaged(f"{NAME} is not what was written: take another backup")
    try:
        envelope = msgspec.json.decode(content, type=_Envelope)
        if sha256(envelope.backup).hexdigest() != envelope.sha256:
            raise changed
        made = msgspec.json.decode(envelope.backup, type=_Format).format
        if made > FORMAT:
            raise InvalidRequest(
                "source", f"has layout {made}, and this release knows {FORMAT}: restore it with a newer one"
            )
        backup = msgspec.json.decode(envelope.backup, type=Backup)
        for loop in backup.loops:
            check_name(loop.name)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise changed from None
    return backup
