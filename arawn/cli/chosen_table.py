"""Prints a table whose columns somebody chose: whichever those are, a row takes no more lines than it must."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from arawn.cli.log_reading import emphasised
from arawn.cli.output import print_made, print_table, printable
from arawn.cli.table_fit import evenly, on_one_line, shortened, text_width

__all__ = ["print_chosen"]

_SPACES = str.maketrans("\n\t", "  ")
_LEAST = 8  # characters that a column is cut to, before each value gets a line of its own


def print_chosen(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headers; on a terminal, long cells are cut so that each row is one line.

    A terminal too narrow for that many columns has a line for each value instead; elsewhere a row is one line in any
    case.
    """
    if not sys.stdout.isatty():
        print_table(headers, [[on_one_line(cell) for cell in row] for row in rows])
        return
    columns = shutil.get_terminal_size().columns
    shown = [[printable(cell).translate(_SPACES) for cell in row] for row in rows]
    elastic = evenly(headers, shown, columns, least=_LEAST)
    if elastic is not None:
        print_table(headers, shown, elastic=elastic)
        return
    for line in _blocks(headers, shown, columns):
        print_made(line)


def _blocks(headers: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """Yield a block of lines for each row: a name, and what fits beside it."""
    width = max(map(text_width, headers))
    for number, row in enumerate(rows, 1):
        yield emphasised(f"row {number}")
        for name, cell in zip(headers, row, strict=True):
            line = f"{name}{' ' * (width - text_width(name))}  {cell}"
            yield shortened(line, columns).rstrip()
