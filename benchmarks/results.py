"""What was measured, part by part, and the tables in the documents that show it."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from measure import Row

PROJECT = Path(__file__).parent.parent
KEPT = PROJECT / "benchmarks" / "results.json"
_SHOWN = {PROJECT / "README.md": True, PROJECT / "docs" / "performance.md": False}
_TABLE = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


class Part(msgspec.Struct, kw_only=True):
    """What one part of the benchmarks found.

    Attributes:
        command: That found it.
        seconds: It took.
        conditions: That the figures depend on, beside the code.
        rows: Ratios with what they were made of.

    """

    command: str
    seconds: int
    conditions: dict[str, Any]
    rows: list[Row]


Results = dict[str, Part]
"""By the part's name."""


def read(file: Path) -> Results:
    """Return what was found before, nothing if there is no such file."""
    return msgspec.json.decode(file.read_bytes(), type=Results) if file.exists() else {}


def write(file: Path, results: Results) -> None:
    """Keep what was found."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")


def publish(results: Results) -> list[Path]:
    """Write the tables of the documents anew, and return which documents have one.

    The first page shows what has a goal; the page about speed shows everything.
    """
    written: list[Path] = []
    for document, only_goals in _SHOWN.items():
        text = document.read_text("utf-8")
        table = _table(results, only_goals=only_goals)
        changed = _TABLE.sub(partial(_between, table), text)
        document.write_text(changed, "utf-8")
        written.append(document)
    return written


def _between(table: str, found: re.Match[str]) -> str:
    return f"{found[1]}{table}{found[2]}"


def _table(results: Results, *, only_goals: bool) -> str:
    lines = ["| work | conditions | against | ratio (quartiles) | goal |", "|---|---|---|---|---|"]
    rows = [row for part in results.values() for row in part.rows]
    lines += [_line(row) for row in rows if row.met is not None or not only_goals]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    low, high = row.spread
    ratio = f"{row.ratio:.2f}" if low == high else f"{row.ratio:.2f} ({low:.2f} to {high:.2f})"
    goal = row.goal.replace("at least", "≥").replace("at most", "≤")
    verdict = {True: ", met", False: ", **not met**", None: ""}[row.met]
    return f"| {row.work} | {row.conditions} | {row.against} | {ratio} | {goal}{verdict} |"
