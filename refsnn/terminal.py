"""What a person sees in a terminal: tables that fit 100 columns, and a progress bar on stderr."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as RichTable

from refsnn.tables import WIDTH, Table


def rendered(table: Table | str) -> str:
    """The table as plain text of at most 100 columns; a text as it is, with a line end."""
    if isinstance(table, str):
        return table + "\n"
    rich = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    numeric = [i > 0 and all(_is_numeric(row[i]) for row in table.rows) for i in range(len(table.columns))]
    # numbers are never broken, names in front only where they would push numbers off the page
    kept = [i == 0 or number for i, number in enumerate(numeric)]
    widths = [
        max(len(cell) for cell in (column, *(row[i] for row in table.rows))) + 2
        for i, column in enumerate(table.columns)
    ]
    kept[0] = sum(width for width, keep in zip(widths, kept, strict=True) if keep) <= WIDTH
    for column, number, keep in zip(table.columns, numeric, kept, strict=True):
        rich.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=keep)
    for row in table.rows:
        rich.add_row(*row)
    buffer = io.StringIO()
    console = Console(file=buffer, width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    console.print(table.title)
    console.print(rich)
    for note in table.notes:
        console.print(note)
    console.print()
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _is_numeric(cell: str) -> bool:
    """Numbers, and quantities such as '>=23.6 pJ', stand flush right."""
    number = r"(>=)?[-+]?[\d.,]+(e[-+]\d+)?( \S{1,5})?"
    return not cell or cell in ("unknown", "*") or re.fullmatch(number, cell) is not None


@contextmanager
def progress_bar(title: str, unit: str = "samples") -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr where that is a terminal; otherwise one line that says what was done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        done = [0]
        yield lambda n, total: done.__setitem__(0, n)
        if done[0]:
            click.echo(f"{title}: {done[0]} {unit}", err=True)
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda n, total: bar.update(task, completed=n, total=total)
