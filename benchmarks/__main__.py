"""How fast is it? `python benchmarks` measures every goal as a ratio, and prints a table.

The JSON that goes with it is written beside: `benchmarks/results.json`, or what `--out` says.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec
from auditing import auditing
from evaluating import evaluating
from measure import Row, conditions
from memory import memory
from opening import opening
from ranking import many_callers, one_caller
from rebuilding import any_past_version, from_the_log
from rich.console import Console
from rich.table import Table
from serving import serving
from steps import steps
from waiting import waiting

PARTS: dict[str, tuple[Callable[[Path, int], Iterator[Row]], int]] = {
    "many-callers": (many_callers, 15),
    "one-caller": (one_caller, 30),
    "rebuilding": (from_the_log, 5),
    "any-past-version": (any_past_version, 3),
    "opening": (opening, 5),
    "auditing": (auditing, 3),
    "evaluating": (evaluating, 3),
    "memory": (memory, 1),
    "serving": (serving, 5),
    "steps": (steps, 15),
    "waiting": (waiting, 9),
}


@click.command
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).with_name("results.json"))
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=Path(), help="On which disk.")
@click.option(
    "--rounds", type=click.FloatRange(0.1, 100), default=1.0, help="So many times the usual rounds."
)
def main(parts: tuple[str, ...], out: Path, folder: Path, rounds: float) -> None:
    """Measure PARTS, or everything: some twenty minutes."""
    console = Console(stderr=True)
    found: list[Row] = []
    begun = time.perf_counter()
    for part in parts or PARTS:
        measure, usual = PARTS[part]
        console.print(f"measuring {part} …", style="dim")
        for row in measure(folder, max(2, round(usual * rounds))):
            found.append(row)
            console.print(
                f"  {row.conditions}: {row.ratio:g} of {row.against} (goal: {row.goal})", style="dim"
            )
    report = {
        "command": " ".join(["python benchmarks", f"--rounds {rounds:g}", *parts]),
        "seconds": round(time.perf_counter() - begun),
        "conditions": conditions(folder),
        "rows": found,
    }
    out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    _show(found, report["conditions"])


def _show(rows: list[Row], where: object) -> None:
    table = Table("work", "conditions", "against", "ratio", "quartiles", "goal", "figures", box=None)
    for row in rows:
        colour = "" if row.met is None else "green" if row.met else "red"
        table.add_row(
            row.work,
            row.conditions,
            row.against,
            f"[{colour}]{row.ratio:g}[/]" if colour else f"{row.ratio:g}",
            f"{row.spread[0]:g} to {row.spread[1]:g}",
            row.goal,
            ", ".join(
                f"{name} {value:,}" if isinstance(value, int | float) else f"{name} {value}"
                for name, value in row.figures.items()
            ),
        )
    console = Console(width=None if sys.stdout.isatty() else 220)
    console.print(table)
    console.print(
        ", ".join(f"{name}: {value}" for name, value in where.items()) if isinstance(where, dict) else ""
    )


if __name__ == "__main__":
    main()
