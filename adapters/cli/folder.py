"""The data folder as commands see it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypedDict

from loopledger.adapters.embedding.view import LoopView
from loopledger.adapters.place import in_folder, loop_names
from loopledger.adapters.system_clock import SystemClock
from loopledger.adapters.vw.learner import VwLearner
from loopledger.errors import NotFound


@contextmanager
def views(data: Path, names: tuple[str, ...]) -> Generator[list[LoopView]]:
    """Yield views of some loops, or of all if none is named; they may be open elsewhere.

    Raises:
        NotFound: There is no such loop, or no data folder.

    """
    known = names_in(data, names)
    learner = VwLearner()
    try:
        yield [LoopView(name, in_folder(data / name), learner) for name in dict.fromkeys(names or known)]
    finally:
        learner.close()


def names_in(data: Path, names: tuple[str, ...]) -> list[str]:
    """Return the names of all loops, once it is clear that those named are among them.

    Raises:
        NotFound: There is no such loop, or none at all.

    """
    known = loop_names(data)
    if not known and not names:
        raise NotFound(f"there is no loop in {data}: `loopledger create` makes one, and --data says where")
    for name in names:
        if name not in known:
            there = f"there {'are' if len(known) > 1 else 'is'} {', '.join(known) or 'none'}"
            raise NotFound(f"there is no loop {name!r} in {data}; {there}")
    return known


@contextmanager
def no_trace(data: Path) -> Generator[None]:
    """Take a data folder away again that was made for nothing."""
    there = data.exists()
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                data.rmdir()  # only if it is empty
        raise


class Asked(TypedDict, total=False):
    """A moment as views take it."""

    time: str
    seq: int


def moment_or_seq(given: str | None) -> Asked:
    """Return a moment that is given as a time or as a seq; none is now."""
    if given is None:
        return {}
    moment = number_or_text(given)
    return {"seq": moment} if isinstance(moment, int) else {"time": moment}


_DIGITS = 30
"""Of a number at most; Python refuses to read some thousands, and no log is that long."""


def ids_in(file: TextIO | None) -> list[str]:
    """Return the event ids that a file lists, one a line; none without a file."""
    return [line.strip() for line in file or () if line.strip()]


def number_or_text(given: str) -> int | str:
    """Return a number where only digits are given, and the text as it is where not."""
    return int(given) if given.isdecimal() and len(given) <= _DIGITS else given


class NoTimers(SystemClock):
    """The machine's time; a loop that is overdue must not train by itself before it is asked to."""

    def call_later(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        """Do nothing, now and later."""
        return lambda: None
