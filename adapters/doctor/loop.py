"""Judging a loop: from what was seen of it to findings. Nothing is looked up here."""

from collections.abc import Iterator, Mapping, Sequence

from loopledger.adapters.embedding.moments import text
from loopledger.clock import SECOND
from loopledger.health import Finding
from loopledger.reports import Status

_MEBIBYTE = 1_048_576
_LONG_WAL = 64 * _MEBIBYTE
_MISSED_TRAININGS = 10
_LEAST_LATE = 600 * SECOND
_READ_BY_OTHERS = 0o004
_CAN_VERIFY = "`loopledger verify {name}` says from which event on"


def held(subject: str, pid: str) -> Finding:
    """Say that a writer has the loop open."""
    return Finding("ok", subject, f"process {pid or 'unknown'} has it open for writing")


def unreadable(subject: str, name: str, problem: str) -> Finding:
    """Say that the log cannot be read, or not all of it."""
    return Finding(
        "problem",
        subject,
        problem,
        f"{_CAN_VERIFY.format(name=name)}; put back a copy of log.db that holds",
    )


def sizes(subject: str, files: Mapping[str, int], *, is_held: bool) -> Iterator[Finding]:
    """Judge how large a loop's files are.

    Args:
        subject: The loop.
        files: Bytes of each file or folder that there is.
        is_held: Whether a writer has it open.

    """
    listed = ", ".join(f"{name} {_size(size)}" for name, size in files.items())
    yield Finding("ok", subject, listed)
    wal = files.get("log.db-wal", 0)
    if wal > _LONG_WAL:
        yield Finding(
            "warning",
            subject,
            f"the write-ahead log has grown to {_size(wal)}: something reads for so long that it cannot be "
            "taken into the database",
            "end long-running readers of log.db, such as a database shell",
        )
    elif wal and not is_held:
        yield Finding(
            "note",
            subject,
            f"it was not closed in order: {_size(wal)} of its log are in log.db-wal",
            "never delete that file: the next opening takes it in",
        )


def rights(subject: str, *, writable: bool, mode: int, reachable: bool) -> Iterator[Finding]:
    """Judge who may read and write.

    Args:
        subject: The loop.
        writable: Whether this user may write to the log and its folder.
        mode: The log's permission bits.
        reachable: Whether other users get as far as the folder.

    """
    if not writable:
        yield Finding(
            "warning",
            subject,
            "this user may not write there: the loop can be read and not opened",
            "give the rights to the user that runs it",
        )
    if reachable and mode & _READ_BY_OTHERS:
        yield Finding(
            "note",
            subject,
            f"every user of this machine may read its log (mode {mode & 0o777:o}), which holds all contexts",
            "`chmod o-rx` its data folder if they should not",
        )


def leftovers(subject: str, names: Sequence[str]) -> Iterator[Finding]:
    """Judge what interrupted work has left."""
    if names:
        yield Finding(
            "note",
            subject,
            f"interrupted work has left {', '.join(names)}",
            "delete it once nothing is being created there",
        )


def contents(subject: str, status: Status) -> Finding:
    """Say what the log holds."""
    decisions = status.counts.get("Ranked", 0) + status.counts.get("SlotsRanked", 0)
    if status.published:
        model = f"version {status.published} answers"
    else:
        model = "none of which answers now" if status.versions else "no model yet"
    return Finding(
        "ok",
        subject,
        f"it opens: {status.events:,} events, {decisions:,} decisions, {status.versions:,} model versions, "
        f"{model}; its log takes {in_bytes(status)}",
    )


def in_bytes(status: Status) -> str:
    """Return in words how large a log is."""
    each = status.bytes_per_decision
    return f"{_size(status.size)}, {each:,.0f} bytes a decision" if each else _size(status.size)


def kept_state(subject: str, *, there: bool, readable: bool, fits: bool) -> Iterator[Finding]:
    """Judge the state that is kept beside the log.

    Args:
        subject: The loop.
        there: Whether there is one.
        readable: Whether it is as it was written.
        fits: Whether the log holds the event at which it was kept.

    """
    advice = "nothing has to be done: it is only a cache, and is made again when the loop is opened"
    if there and not readable:
        yield Finding("note", subject, "state.json is damaged, or of another release", advice)
    elif there and not fits:
        yield Finding("warning", subject, "state.json belongs to another log than log.db", advice)


def models(subject: str, kept: int, damaged: Sequence[str]) -> Iterator[Finding]:
    """Judge the models that are kept beside the log.

    Args:
        subject: The loop.
        kept: How many there are.
        damaged: The files that are not what the log's SHA-256 says.

    """
    if damaged:
        yield Finding(
            "warning",
            subject,
            f"{len(damaged):,} of {kept:,} kept models are not what was recorded: {', '.join(damaged[:5])}",
            "delete them: they are only a cache, and are made again when needed; then look at the disk",
        )


def engines(subject: str, made: Mapping[int, str], engine: str) -> Iterator[Finding]:
    """Judge whether models were made by another engine than this machine's.

    Args:
        subject: The loop.
        made: The versions that matter, each with its engine.
        engine: This machine's.

    """
    others = {version: other for version, other in made.items() if other != engine}
    if others:
        named = ", ".join(f"version {version} by {other!r}" for version, other in others.items())
        yield Finding(
            "warning",
            subject,
            f"made by another engine than this machine's {engine!r}: {named}; such models can be used here "
            "and not proved, nor made again where they are not kept",
            "keep the folder models/, and verify on a machine with that engine",
        )


def waiting(
    subject: str, status: Status, oldest: int | None, now: int, failure: str | None, *, is_held: bool
) -> Iterator[Finding]:
    """Judge whether decisions wait to be learned for too long.

    Args:
        subject: The loop.
        status: How it stands.
        oldest: When the window of the oldest unlearned decision closes; none if there is none.
        now: The time; both are UTC in microseconds since 1970.
        failure: Why the last automatic training failed, where that is known.
        is_held: Whether a writer has it open.

    """
    frequency = status.settings.model_update_frequency
    if failure:
        yield Finding(
            "warning",
            subject,
            f"the last automatic training failed: {failure}",
            "the loop goes on with the model it has; `loop.train()` tries again",
        )
    late = 0 if oldest is None else now - oldest
    if late <= max(_LEAST_LATE, _MISSED_TRAININGS * frequency * SECOND):
        return
    waits = f"decisions wait to be learned since {text(oldest or 0)} ({status.waiting_decisions:,} in all)"
    if frequency == 0:
        yield Finding(
            "note",
            subject,
            f"{waits}: automatic training is off",
            "call `train`, or set model_update_frequency",
        )
    elif is_held:
        yield Finding(
            "warning",
            subject,
            f"{waits}, though the loop is open: automatic training seems to fail",
            "look for 'automatic training failed' in the program's log",
        )
    else:
        yield Finding(
            "note", subject, f"{waits}: nobody has it open", f"open it, or `loopledger train {status.name}`"
        )


def clock(subject: str, at: int, now: int) -> Iterator[Finding]:
    """Judge the last event's time against the clock; both are UTC in microseconds since 1970."""
    ahead = (at - now) / SECOND
    if ahead > 1:
        yield Finding(
            "warning",
            subject,
            f"its last event is {ahead:,.0f} s in the future ({text(at)}): this clock runs behind the one it "
            "was written with",
            "set the clock; until it has caught up new events carry that time, and reward waits stand still",
        )


def _size(size: int) -> str:
    return f"{size / _MEBIBYTE:,.1f} MiB" if size >= _MEBIBYTE else f"{size / 1024:,.1f} KiB"
