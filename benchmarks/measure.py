"""Ratios that can be trusted on a noisy machine: what is compared is measured in turns."""

import gc
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec


class Row(msgspec.Struct, kw_only=True):
    """One line of the table.

    Attributes:
        work: What was measured.
        against: What it is compared with.
        conditions: Under which.
        ratio: The median of the ratios of single rounds.
        spread: Their lower and upper quartile.
        goal: What the ratio should be, in words.
        met: Whether it is.
        figures: Medians of what the ratio was made of, with units in their names.

    """

    work: str
    against: str
    conditions: str
    ratio: float
    spread: tuple[float, float]
    goal: str
    met: bool | None
    figures: dict[str, Any]


class Ratios:
    """Gathers a ratio and what it was made of, round by round."""

    def __init__(self) -> None:
        self._ratios: list[float] = []
        self._figures: dict[str, list[float]] = {}

    def add(self, ratio: float, **figures: float) -> None:
        """Take the outcome of a round."""
        self._ratios.append(ratio)
        for name, figure in figures.items():
            self._figures.setdefault(name, []).append(figure)

    def row(
        self,
        work: str,
        against: str,
        conditions: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        **figures: Any,
    ) -> Row:
        """Return the medians as a line of the table."""
        ratio = statistics.median(self._ratios)
        low, _, high = statistics.quantiles(self._ratios, n=4) if len(self._ratios) > 1 else [ratio] * 3
        goal, met = "stated", None
        if at_least is not None:
            goal, met = f"at least {at_least:g}", ratio >= at_least
        if at_most is not None:
            goal, met = f"at most {at_most:g}", ratio <= at_most
        medians = {name: rounded(statistics.median(all_)) for name, all_ in self._figures.items()}
        return Row(
            work=work,
            against=against,
            conditions=conditions,
            ratio=round(ratio, 3),
            spread=(round(low, 3), round(high, 3)),
            goal=goal,
            met=met,
            figures={**medians, **figures},
        )


def rounded(number: float) -> float:
    """Return a figure without digits that mean nothing."""
    return round(number) if abs(number) >= 100 else float(f"{number:.3g}")


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def processor(function: Callable[[], object]) -> float:
    """Return how many seconds of processor time a call takes, with the processes that it starts and ends."""
    before = os.times()
    function()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def quiet() -> None:
    """Let the garbage collector forget what was set up: it is not what is measured."""
    gc.collect()
    gc.freeze()


def resident(process: int | str = "self") -> int:
    """Return the bytes of a process that are in memory, of this one by default."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def conditions(folder: Path) -> dict[str, str]:
    """Return what the figures depend on beside the code."""
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "python": sys.version.split()[0],
        "vowpalwabbit": version("vowpalwabbit"),
        "sqlite": sqlite3.sqlite_version,
        "durability": "every answer after a commit with synchronous=FULL",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above: Sequence[str] = [str(path) for path in (folder.resolve(), *folder.resolve().parents)]
    kinds = {mount[1]: mount[2] for mount in mounts}
    return next((kinds[path] for path in above if path in kinds), "unknown")
