"""Where results go: stdout or a file, whole or not at all; progress goes to stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from refsnn.tables import Table


def progress_bar(title: str, unit: str = "samples") -> AbstractContextManager[Callable[[int, int], None]]:
    from refsnn.terminal import progress_bar

    return progress_bar(title, unit)


def emit(schema: str, data: dict[str, Any], tables: Sequence[Table | str], form: str, output: str | None) -> int:
    """The result, as JSON or text, to stdout or to a file."""
    if form == "json":
        text = json.dumps({"schema": f"refsnn.{schema}/1", **data}, indent=2, allow_nan=False) + "\n"
    else:
        from refsnn.terminal import rendered

        text = "".join(map(rendered, tables))
    put(text, output)
    return 0


def page(output: str | None, html: Callable[[], str]) -> str | None:
    """Writes the page where the file is to be one; where the result goes then."""
    if output is None or not output.endswith((".html", ".htm")):
        return output
    from refsnn.files import write_atomic

    write_atomic(output, html().encode())
    return None


def put(text: str, output: str | None) -> None:
    """To stdout, or to a file, whole or not at all."""
    if output is None:
        click.echo(text, nl=False)
    else:
        from refsnn.files import write_atomic

        write_atomic(output, text.encode())
