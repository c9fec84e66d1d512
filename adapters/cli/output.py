"""What commands print: tables for people, JSON for programs, progress for those who wait."""

import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
"""The option that every command has."""

Tell = Callable[[int, int], None]


def print_json(value: Any) -> None:
    """Print a value as one JSON document, on one line."""
    click.echo(msgspec.json.encode(value))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, numbers to the right; where nobody looks, a line with tabs for each row."""
    console = Console()
    if not console.is_terminal:
        for row in (columns, *rows):
            click.echo("\t".join(map(str, row)))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[at], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # An id may read like rich's own marks; as a Text it is taken as it is.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    console.print(table)


def print_lines(lines: Iterator[str]) -> None:
    """Print lines; on a terminal, more of them than it shows at once go through the pager."""
    height = shutil.get_terminal_size().lines if sys.stdout.isatty() else 0
    first = list(islice(lines, height))
    if height and len(first) == height:
        whole = chain(first, lines)
        click.echo_via_pager(chain([next(whole)], (f"\n{line}" for line in whole)))  # click ends the last
        return
    for line in chain(first, lines):
        click.echo(line)


def counted(count: int, what: str) -> str:
    """Return a number of things in words, such as “1 event” or “1,200 events”."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def print_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Print named facts, one a line."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(f"{name:<{width}}  {shown}")


def narrator() -> Callable[[str], None]:
    """Return what says on the terminal what is being found out; elsewhere it says nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda _: None
    return lambda said: console.print(Text(said, style="dim"))


@contextmanager
def progress(what: str) -> Generator[Tell]:
    """Show a bar on the terminal while something goes on; elsewhere show nothing.

    What it yields is told how much is done, and of how much.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
