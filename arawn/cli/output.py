"""What commands print: for people on a terminal, plain when piped, JSON when asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import click
import msgspec
import trio

from arawn.cli.table_fit import GAP, fitted

__all__ = ["note", "print_json", "print_json_array", "print_table", "printable", "write_out"]

# What could move the cursor, change the terminal, or turn the order of a line about; line ends and tabs stay.
_TURNS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROL = {code: None for code in (*range(32), *range(127, 160), *_TURNS) if chr(code) not in "\n\t"}


def note(text: str) -> None:
    """Print one line on stderr: beside the output, never part of it."""
    click.echo(text, err=True)


def printable(text: str) -> str:
    """Return `text`, which a model or a provider wrote, without what a terminal would take as a command."""
    return text.translate(_CONTROL) if sys.stdout.isatty() else text


def print_json(value: Any) -> None:
    """Print one JSON document, made for reading."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_array(items: Iterable[bytes]) -> None:
    """Print JSON values as one array, as `print_json` would, each when it comes."""
    separator = "["
    for item in items:
        text = msgspec.json.format(item, indent=2).decode().replace("\n", "\n  ")
        click.echo(f"{separator}\n  {text}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, elastic: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Print rows below their headers: a table on a terminal, else columns two spaces apart.

    Args:
        headers, rows: The table.
        elastic: Makes every row one line of the terminal by cutting these columns alone; see `fitted`. Without it,
            long cells are wrapped.
    """
    if sys.stdout.isatty():
        _print_rich_table(headers, rows, elastic)
        return
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], elastic: Mapping[str, int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    if elastic:
        headers, rows, widths = fitted(headers, rows, console.width, elastic)
        for header, width in zip(headers, widths, strict=True):
            table.add_column(header, width=width, no_wrap=True, overflow="ellipsis")
        console.width = max(console.width, sum(widths) + GAP * (len(widths) - 1))
    else:
        for header in headers:
            table.add_column(header)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)


async def write_out(text: str) -> None:
    """Write to stdout now; a reader that is slow holds up the caller, but not the rest of the program.

    Raises:
        BrokenPipeError: The reader has left.

    Checkpoint: always.
    If cancelled: a part may still be written.
    """
    sys.stdout.flush()
    data = printable(text).encode("utf-8", "replace")
    await trio.to_thread.run_sync(partial(_write_all, sys.stdout.fileno(), data), abandon_on_cancel=True)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
