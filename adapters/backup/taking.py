"""Taking a backup of loops that go on meanwhile."""

import os
import secrets
import shutil
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec.structs import replace

from loopledger.adapters.backup.chain import check_copy
from loopledger.adapters.backup.files import sealed
from loopledger.adapters.backup.manifest import NAME, Backup, SavedLoop, write_manifest
from loopledger.adapters.backup.progress import part
from loopledger.adapters.http.keys import FILE as KEYS
from loopledger.adapters.http.keys import hashes_of
from loopledger.adapters.http.service import FILE as SERVICE
from loopledger.adapters.http.service import read_service, write_service
from loopledger.adapters.lasting import sync
from loopledger.adapters.model_signer import FILE as PAIR
from loopledger.adapters.place import Place, check_name, in_folder, loop_names
from loopledger.adapters.private_file import write_private
from loopledger.adapters.sqlite.copying import copy_log
from loopledger.errors import Conflict, InvalidRequest, LogDamaged, NotFound
from loopledger.learning.training import Progress
from loopledger.log.events import ModelTrained, decode
from loopledger.log.journal import Reader

_COPYING = 0.3
"""About so much of the time a copy takes; the rest is its check."""


def take_backup(
    data: Path,
    names: Sequence[str],
    out: str | Path,
    at: int,
    *,
    keys: bool,
    force: bool,
    progress: Progress | None,
) -> Backup:
    """Copy loops of a data folder into a new folder, which is there whole or not at all.

    Args:
        data: The data folder.
        names: Of the loops; none for all of them.
        out: The folder to make.
        at: The time, UTC in microseconds since 1970.
        keys: Whether what is secret of a server comes along: hashes of keys, the key pair that signs,
            the address of a log mirror.
        force: Whether to replace a backup of that name.
        progress: Is told of what is done, in thousandths.

    Raises:
        NotFound: There is no such loop, or none at all.
        Conflict: There is a folder of that name.
        InvalidRequest: The backup cannot be made there.
        LogDamaged: A log does not hold, so that no copy of it would.
        LoopledgerError: A log cannot be copied.

    """
    known = loop_names(data)
    wanted = list(dict.fromkeys(names)) or known
    for name in wanted:
        check_name(name)
        if name not in known:
            raise NotFound(f"there is no loop {name!r} in {data}")
    if not wanted:
        raise NotFound(f"there is no loop in {data}: nothing to back up")
    with _new_folder(data, out, force=force) as folder:
        loops: list[SavedLoop] = []
        for number, name in enumerate(wanted):
            copying = part(progress, number / len(wanted), _COPYING / len(wanted))
            checking = part(progress, (number + _COPYING) / len(wanted), (1 - _COPYING) / len(wanted))
            loops.append(_saved(data / name, folder / name, copying, checking))
            _save_service(data, folder, name, secret=keys)
        if keys:
            _save_keys(data, folder, wanted)
        backup = Backup(at=at, loopledger=version("loopledger"), loops=tuple(loops), files=sealed(folder))
        write_manifest(folder, backup)
        sync(folder)
        folder.chmod(data.stat().st_mode & 0o777)
    return backup


def _saved(source: Path, target: Path, copying: Progress, checking: Progress) -> SavedLoop:
    """Copy one loop, and check that the copy's chain holds."""
    target.mkdir(mode=0o700)
    copy_log(source / "log.db", target / "log.db", copying)
    with closing(in_folder(target).store.reader()) as reader:
        head = reader.head()
        findings, faults = check_copy(reader, head, checking)
        if findings.problems or faults:
            first = min(findings.problems, default=None)
            what = first.what if first else faults[0]
            raise LogDamaged(
                f"{source.name}: {what}, so no backup was made; keep those that there are",
                first.seq if first else None,
            )
        models = _save_models(reader, in_folder(source), in_folder(target))
    shutil.copymode(source / "log.db", target / "log.db")
    shutil.copymode(source, target)
    return SavedLoop(source.name, head.seq, head.at, head.digest.hex(), models)


def _save_models(reader: Reader, source: Place, target: Place) -> tuple[int, ...]:
    """Copy the models that are kept and are those of the log; a machine of another kind cannot make them."""
    found: list[int] = []
    for record in reader.records(kinds=("ModelTrained",)):
        event = decode(record.body, record.seq)
        if not isinstance(event, ModelTrained):
            continue
        model = source.checkpoints.load_model(event.version)
        if model is not None and sha256(model).hexdigest() == event.sha256:
            target.checkpoints.save_model(event.version, model)
            found.append(event.version)
    return tuple(found)


def _save_service(data: Path, folder: Path, name: str, *, secret: bool) -> None:
    """Copy what the server keeps beside a loop, with or without the address that lets others write."""
    if secret and (data / name / SERVICE).exists():
        write_private(folder / name / SERVICE, (data / name / SERVICE).read_bytes())
    elif (data / name / SERVICE).exists():
        write_service(folder, name, replace(read_service(data, name), log_mirror_sas_uri=None))


def _save_keys(data: Path, folder: Path, names: Sequence[str]) -> None:
    hashes = hashes_of(data, names)
    if hashes:
        write_private(folder / KEYS, msgspec.json.encode(hashes))
    if (data / PAIR).exists():
        write_private(folder / PAIR, (data / PAIR).read_bytes())


@contextmanager
def _new_folder(data: Path, out: str | Path, *, force: bool) -> Generator[Path]:
    """Yield a folder that gets its name when everything is in it."""
    try:
        path = Path(os.path.realpath(out))
        _check_free(data, path, force=force)
        beside = path.with_name(f".{path.name}-{secrets.token_hex(6)}.part")
    except (OSError, TypeError, ValueError) as error:
        raise InvalidRequest("out", f"cannot be made: {error}") from None
    try:
        beside.mkdir(mode=0o700)
    except OSError as error:
        why = error.strerror or error
        raise InvalidRequest(
            "out",
            f"cannot be made in {path.parent}: {why}; name one in a folder that is there and can be written",
        ) from None
    try:
        yield beside
        _check_free(data, path, force=force)
        if path.exists():
            before = beside.with_suffix(".old")
            path.rename(before)
            beside.rename(path)
            shutil.rmtree(before, ignore_errors=True)
        else:
            beside.rename(path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    sync(path.parent)


def _check_free(data: Path, path: Path, *, force: bool) -> None:
    real = Path(os.path.realpath(data))
    if path.is_relative_to(real) or real.is_relative_to(path):
        raise InvalidRequest(
            "out", "must be outside the data folder, not around it, and best on another disk"
        )
    if not path.exists():
        return
    if not (path / NAME).is_file():
        raise InvalidRequest("out", "is there already and is no backup: give another name")
    if not force:
        raise Conflict(
            f"{path} is there already: give another name, or force it to be replaced (--force, force=True)"
        )
