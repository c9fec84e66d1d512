"""Files of a backup: copied, hashed, and on disk before anything relies on them."""

import os
from hashlib import file_digest, sha256
from pathlib import Path

from loopledger.adapters.backup.manifest import SavedFile
from loopledger.adapters.lasting import sync
from loopledger.errors import BackupDamaged

_PIECE = 1 << 20
_PRIVATE = 0o600


def sealed(folder: Path) -> dict[str, SavedFile]:
    """Bring every file below a folder to the disk, and return their sizes and hashes by their paths."""
    found: dict[str, SavedFile] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
                found[path.relative_to(folder).as_posix()] = SavedFile(file.tell(), digest)
        else:
            sync(path)
    return found


def take_out(backup: Path, path: str, saved: SavedFile, target: Path, *, private: bool = False) -> None:
    """Copy a file out of a backup, to the disk.

    Args:
        backup: The backup's folder.
        path: The file's place in it.
        saved: What it should be.
        target: The file to make.
        private: Whether only its owner may read the copy; by default who may read the file.

    Raises:
        BackupDamaged: It is missing, or not what was put in.

    """
    digest = sha256()
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(handle, "wb") as copy:
        try:
            with (backup / path).open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                    copy.write(piece)
                mode = os.fstat(file.fileno()).st_mode & 0o777
        except FileNotFoundError:
            raise BackupDamaged(f"{path} is missing in the backup: take another one") from None
        if not private:
            os.fchmod(handle, mode)
        copy.flush()
        os.fsync(handle)
    check(path, saved, SavedFile(size, digest.hexdigest()))


def read_out(backup: Path, path: str, saved: SavedFile) -> bytes:
    """Return the content of a small file of a backup.

    Raises:
        BackupDamaged: It is missing, or not what was put in.

    """
    try:
        content = (backup / path).read_bytes()
    except FileNotFoundError:
        raise BackupDamaged(f"{path} is missing in the backup: take another one") from None
    check(path, saved, SavedFile(len(content), sha256(content).hexdigest()))
    return content


def check(path: str, saved: SavedFile, found: SavedFile) -> None:
    """Refuse a file that is not what was put into a backup.

    Raises:
        BackupDamaged: It is not.

    """
    if found.size != saved.size:
        raise BackupDamaged(
            f"{path} has {found.size:,} bytes and should have {saved.size:,}: take another backup"
        )
    if found != saved:
        raise BackupDamaged(f"{path} is not what was put into the backup: take another one")
