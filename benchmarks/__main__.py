"""How fast is it? `python benchmarks` measures every goal as a ratio, and prints a table.

What is found goes into `benchmarks/results.json`, or what `--out` says, and takes the place of what
the same parts found earlier. `--publish` writes the tables of the README and of docs/performance.md
anew from it; `python benchmarks --publish none` does only that.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import results
from auditing import auditing
from beside import beside
from evaluating import evaluating
from measure import Row, conditions
from memory import memory
from opening import opening
from ranking import many_callers, one_caller
from rebuilding import any_past_version, from_the_log
from rich.console import Console
from rich.table import Table
from scale import keeping_up, many_loops, ten_million
from serving import serving
from steps import steps
from storing import size
from waiting import waiting

PARTS: dict[str, tuple[Callable[[Path, int], Iterator[Row]], int]] = {
    "many-callers": (many_callers, 15),
    "one-caller": (one_caller, 30),
    "many-callers-compressed": (partial(many_callers, compression=True), 15),
    "one-caller-compressed": (partial(one_caller, compression=True), 30),
    "rebuilding": (from_the_log, 5),
    "any-past-version": (any_past_version, 3),
    "opening": (opening, 5),
    "auditing": (auditing, 3),
    "evaluating": (evaluating, 3),
    "memory": (memory, 1),
    "serving": (serving, 5),
    "steps": (steps, 15),
    "waiting": (waiting, 9),
    "size": (size, 1),
    "beside-others": (beside, 9),
    "many-loops": (many_loops, 1),
    "keeping-up": (keeping_up, 3),
}
LONG: dict[str, tuple[Callable[[Path, int], Iterator[Row]], int]] = {"ten-million": (ten_million, 1)}
"""What is measured only when it is asked for by name."""


@click.command
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, *LONG, "none"]))
@click.option("--out", type=click.Path(path_type=Path), default=results.KEPT, help="Where results are kept.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), default=Path(), help="On which disk.")
@click.option(
    "--rounds", type=click.FloatRange(0.1, 100), default=1.0, help="So many times the usual rounds."
)
@click.option("--publish", is_flag=True, help="Write the documents' tables anew.")
def main(parts: tuple[str, ...], out: Path, folder: Path, rounds: float, *, publish: bool) -> None:
    """Measure PARTS, or everything: some forty minutes."""
    console = Console(stderr=True)
    where = conditions(folder)
    kept = results.read(out)
    for part in [part for part in parts or PARTS if part != "none"]:
        kept[part] = results.Part(
            command=f"python benchmarks --rounds {rounds:g} {part}", seconds=0, conditions=where, rows=[]
        )
        _measure(kept[part], part, folder, rounds, console)
        results.write(out, {name: kept[name] for name in (*PARTS, *LONG) if name in kept})
        _show(kept[part].rows, where)
    if publish:
        for document in results.publish(kept):
            console.print(f"written: {document}", style="dim")


def _measure(found: results.Part, name: str, folder: Path, rounds: float, console: Console) -> None:
    measure, usual = (PARTS | LONG)[name]
    begun = time.perf_counter()
    console.print(f"measuring {name} …", style="dim")
    for row in measure(folder, max(2, round(usual * rounds))):
        found.rows.append(row)
        console.print(f"  {row.conditions}: {row.ratio:g} of {row.against} (goal: {row.goal})", style="dim")
    found.seconds = round(time.perf_counter() - begun)


def _show(rows: list[Row], where: dict[str, str]) -> None:
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
    console.print(", ".join(f"{name}: {value}" for name, value in where.items()))


if __name__ == "__main__":
    main()
