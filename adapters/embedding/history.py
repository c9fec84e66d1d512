"""Bringing history from elsewhere into a new loop."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from loopledger.adapters.cooked_files import CookedFiles
from loopledger.adapters.embedding.directory import Directory
from loopledger.adapters.embedding.moments import microseconds
from loopledger.adapters.place import check_name
from loopledger.adapters.ready import default_policy, ready_policy
from loopledger.errors import Conflict, InvalidRequest
from loopledger.exchange.cooked_line import Times, longest_line
from loopledger.exchange.history import HistoryReport, HistoryWriter
from loopledger.learning.training import Progress
from loopledger.log.events import DecisionKind
from loopledger.policy import LearningPolicy
from loopledger.settings import Settings


def import_history(
    directory: Directory,
    name: str,
    files: Iterable[str | Path],
    policy: LearningPolicy | None,
    settings: Settings,
    progress: Progress | None,
    *,
    strict: bool,
) -> HistoryReport:
    """Make a loop whose log holds what cooked logs tell; the loop appears whole or not at all.

    Args:
        directory: Where the loop is made.
        name: The loop's.
        files: The logs, in their order.
        policy: The loop's; none for Personalizer's own of the kind that comes first.
        settings: The loop's.
        progress: Is told of bytes read, and of how many there are.
        strict: Whether a line that cannot be taken ends it.

    Raises:
        Conflict: There is a loop of that name.
        InvalidRequest: Something cannot be used, or there is no decision in the files.
        LoopledgerError: The disk does not take it.

    """
    check_name(name)
    if directory.has(name):
        raise Conflict(f"there is a loop {name!r} already, and history goes only into a new one")
    if policy is not None:
        directory.try_policy(policy, settings)
    cooked = _cooked_files(files, longest_line(settings), progress)
    with directory.making(name) as place, closing(place.store.writer()) as journal:
        writer = HistoryWriter(
            journal,
            name,
            settings,
            lambda kind: policy or _default_policy(kind),
            Times(int(directory.clock.now()), microseconds),
            strict=strict,
        )
        writer.write(cooked)
        return writer.finish(tuple(cooked.read))


def _cooked_files(files: object, longest: int, progress: Progress | None) -> CookedFiles:
    if isinstance(files, str | bytes) or not isinstance(files, Iterable):
        raise InvalidRequest("files", f"must be a list of files (got {type(files).__name__})")
    try:
        return CookedFiles([Path(file) for file in files], longest, progress)
    except (OSError, TypeError, ValueError) as error:
        raise InvalidRequest("files", f"cannot be read: {error}") from None


def _default_policy(kind: DecisionKind) -> LearningPolicy:
    return default_policy() if kind == "Ranked" else ready_policy("personalizer-default-slots")
