"""`arawn interactions tail`: the last calls, and those to come."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import click

from arawn.cli.interrupts import run_async
from arawn.cli.log_filters import fields_option, filter_options, filters_of
from arawn.cli.log_reading import Reader, is_there, last_entries, missing, required_log, warn
from arawn.cli.options import config_option, configured, json_option
from arawn.cli.output import note, printable, say, write_out
from arawn.cli.record_view import chosen_cells, chosen_values, narrow_row, short_row
from arawn.cli.table_fit import on_one_line, shortened
from arawn.cli.terminal_text import json_shown
from arawn.config.paths import interactions_dir
from arawn.interactions.encode import encode_line
from arawn.interactions.entry import Entry
from arawn.interactions.fields import parse_fields
from arawn.interactions.follow import Follower
from arawn.interactions.record import timestamp_text
from arawn.interactions.zones import zone_of

__all__ = ["tail"]


@click.command(cls=Reader)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with calls as they are written.")
@click.option(
    "-n",
    "--limit",
    "--lines",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many to begin with.",
)
@filter_options
@fields_option
@json_option
@config_option
def tail(
    *,
    following: bool,
    limit: int,
    fields: str | None,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Print the last calls, and with `-f` those to come, one line each; with `--json`, one line of JSON."""
    paths = parse_fields(fields) if fields is not None else ()
    look = partial(_line, zone=zone_of(options["tz"]), paths=paths, as_json=as_json)
    wanted = filters_of(options, limit=limit)
    if following:
        if wanted.end is not None and wanted.end <= timestamp_text(datetime.now(UTC)):
            raise click.UsageError(
                "`-f` goes on with calls to come, and the time asked for is over; leave one of them out"
            )
        config = configured(config_file)
        directory = interactions_dir(config, os.environ)
        was_there = is_there(directory)
        follower = Follower(
            directory, wanted, on_damage=warn
        )  # before anything is said or shown: no call falls between
        if not was_there:
            note(missing(directory, is_on=config.logging.interactions.enabled))
        run_async(partial(_follow, follower, partial(last_entries, directory, wanted), look))
        return
    for entry in last_entries(required_log(config_file), wanted):
        say(look(entry))


async def _follow(follower: Follower, last: Callable[[], Sequence[Entry]], look: Callable[[Entry], str]) -> None:
    shown = set()
    for entry in () if follower.has_all else last():
        shown.add(entry.head.id)
        await write_out(look(entry) + "\n")
    async for entry in follower:
        if entry.head.id not in shown:
            await write_out(look(entry) + "\n")
    raise AssertionError("a follower does not end")


def _line(entry: Entry, *, zone: tzinfo, paths: Sequence[str], as_json: bool) -> str:
    if as_json:
        return json_shown(encode_line(chosen_values(entry, paths) if paths else entry.head)).decode().rstrip("\n")
    cells = on_one_line("  ".join(chosen_cells(entry, paths, zone))) if paths else ""
    if not sys.stdout.isatty():
        return cells if paths else short_row(entry.head, zone)
    columns = shutil.get_terminal_size().columns
    return printable(shortened(printable(cells), columns) if paths else narrow_row(entry.head, zone, columns))
