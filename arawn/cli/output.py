"""What commands print: for people on a terminal, plain when piped, JSON when asked."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import click
import msgspec
import trio

from arawn.cli.group import is_quiet
from arawn.cli.table_fit import GAP, evenly, fitted, on_one_line, shortened, text_width
from arawn.cli.terminal_text import json_shown, line_shown, printable

__all__ = [
    "emphasised",
    "note",
    "print_chosen",
    "print_json",
    "print_json_array",
    "print_json_line",
    "print_made",
    "print_table",
    "printable",
    "say",
    "say_text",
    "warn_of",
    "write_out",
]

_SPACES = str.maketrans("\n\t", "  ")
_LEAST = 8  # characters that a column is cut to, before each value gets a line of its own


def note(text: str) -> None:
    """Print one line on stderr, beside the output and never part of it; nothing if that was asked for."""
    if not is_quiet():
        warn_of(text)


def warn_of(text: str) -> None:
    """Print one line on stderr that is worth an error: of something damaged, lost or not done."""
    click.echo(line_shown(text, sys.stderr), err=True)


def say(line: str = "") -> None:
    """Print one line; on a terminal a line end inside it, which only others can have written, is a space.

    It is data: elsewhere click would take the colours out of it (`color=True` has it leave them).
    """
    click.echo(line_shown(line, sys.stdout), color=True)


def say_text(text: str, *, nl: bool = True) -> None:
    """Print a text as it is, of as many lines as it has; on a terminal without what that would take as a command."""
    click.echo(printable(text), nl=nl, color=True)


def print_made(text: str | bytes, *, nl: bool = True) -> None:
    """Print what may hold styles of our own, and has been made fit for a terminal in all other parts."""
    click.echo(text, nl=nl)


def print_json(value: Any) -> None:
    """Print one JSON document, made for reading."""
    click.echo(json_shown(msgspec.json.format(msgspec.json.encode(value), indent=2)).decode())


def print_json_line(document: bytes, *, nl: bool = True) -> None:
    """Print JSON as it is written."""
    click.echo(json_shown(document), nl=nl)


def print_json_array(items: Iterable[bytes]) -> None:
    """Print JSON values as one array, as `print_json` would, each when it comes."""
    separator = "["
    for item in items:
        text = json_shown(msgspec.json.format(item, indent=2)).decode().replace("\n", "\n  ")
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
            long cells are wrapped, and words that are too long, such as paths, folded.
    """
    if sys.stdout.isatty():
        _print_rich_table(headers, rows, elastic)
        return
    lines = [headers, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip(), color=True)


def _print_rich_table(headers: Sequence[str], rows: Sequence[Sequence[str]], elastic: Mapping[str, int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    headers = [printable(header) for header in headers]
    rows = [[printable(cell) for cell in row] for row in rows]
    elastic = {printable(header): least for header, least in elastic.items()}
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    if elastic:
        headers, rows, widths = fitted(headers, rows, console.width, elastic)
        for header, width in zip(headers, widths, strict=True):
            table.add_column(Text(header), width=width, no_wrap=True, overflow="ellipsis")
        console.width = max(console.width, sum(widths) + GAP * (len(widths) - 1))
    else:
        for header in headers:
            table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
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


def emphasised(text: str) -> str:
    """Return `text` in bold on a terminal that shows colours."""
    return click.style(text, bold=True) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text
