"""`arawn interactions sql`: DuckDB over the log."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.log_reading import ProgressLine, Reader, required_log
from arawn.cli.options import config_option, json_option
from arawn.cli.output import print_chosen, print_json_line, say, say_text
from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.sql import Answer, LogSql

__all__ = ["sql"]

_LONGEST_CELL = 200  # characters shown of a value in a table
_TO_QUOTE = re.compile(r'[",\r\n]')


@click.command(cls=Reader)
@click.argument("query")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@config_option
def sql(query: str, as_json: bool, as_csv: bool, config_file: Path | None) -> None:
    """Answer one SELECT over the log; `-` reads it from stdin. Needs `pip install 'arawn[analytics]'`.

    The tables are `interactions`, `tool_results`, `feedback`, `gaps` and `marks`, one for each `kind` of line: a
    column for every other key of it (`DESCRIBE interactions` lists them), tags as a map (`tags['team']`), bodies and
    arguments as JSON (`messages->0->>'role'`), times in UTC. Lines that were written twice are there once. Results in
    `tool_calls` are null, as in the file: join `tool_results` on `interaction_id` and `tool_call_id`. Nothing but the
    log can be read, and nothing be changed.
    """
    if as_json and as_csv:
        raise BadInput("give `--json` or `--csv`, not both")
    query = sys.stdin.read() if query == "-" else query
    directory = required_log(config_file)
    with ProgressLine() as progress:
        answer = LogSql(directory, on_damage=progress.damage, on_progress=progress.update).ask(query)
    if as_json:
        _print_json(answer)
    elif as_csv:
        for line in _csv_lines(answer):
            say_text(line)
    else:
        print_chosen(answer.columns, [tuple(_cell(value) for value in row) for row in answer.rows])


def _csv_lines(answer: Answer) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180, but for its line ends), header first.

    An empty text is `""`, NULL nothing: `csv` writes both alike before Python 3.12, and leaves a bare carriage return
    without quotes.
    """
    yield ",".join(map(_csv_cell, answer.columns))
    for row in answer.rows:
        yield ",".join("" if value is None else _csv_cell(_text(value)) for value in row) or '""'  # no empty line


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if not text or _TO_QUOTE.search(text) else text


def _print_json(answer: Answer) -> None:
    """Print an array of objects, one a line, as the rows come."""
    keys = _keys(answer.columns)
    separator = "["
    for row in answer.rows:
        values = (_raw(value, type_) for value, type_ in zip(row, answer.types, strict=True))
        say(separator)
        print_json_line(encode_line(dict(zip(keys, values, strict=True)))[:-1], nl=False)
        separator = ","
    say_text("[]" if separator == "[" else "\n]")


def _keys(columns: Sequence[str]) -> list[str]:
    """Return a key for each column: the second `a` is `a_1`, as DuckDB names it in a table."""
    keys: list[str] = []
    for name in columns:
        others = (f"{name}_{number}" for number in count(1))
        taken = {*keys, *columns}
        keys.append(next(other for other in others if other not in taken) if name in keys else name)
    return keys


def _raw(value: Any, type_: str) -> Any:
    """Return JSON as itself, not as a text that holds it; a line end in it is white space between its parts.

    Decimals, such as prices that tokens were multiplied with, are numbers.
    """
    if isinstance(value, Decimal):
        return msgspec.Raw(str(value).encode())
    return msgspec.Raw(value.replace("\n", " ").encode()) if type_ == "JSON" and value is not None else value


def _cell(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ")
        case int() | float():
            return str(value)
        case _:
            return encode_line(value).decode().strip().strip('"')
