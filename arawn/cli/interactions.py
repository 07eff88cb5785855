"""`arawn interactions`: reads the log, whether or not something writes to it."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.group import LazyGroup
from arawn.cli.interrupts import Interrupts, run_async
from arawn.cli.log_filters import filter_options, filters_of, zone_of
from arawn.cli.options import config_option, json_option
from arawn.cli.output import note, print_json, print_table, printable, write_out
from arawn.cli.record_view import ELASTIC, HEADERS, id_length, record_lines, row, short_row
from arawn.cli.settings import log_directory
from arawn.errors import BadInput
from arawn.interactions.filters import Filters
from arawn.interactions.follow import follow
from arawn.interactions.reader import Damage, Entry, LogReader

__all__ = ["interactions", "list_interactions", "path", "show", "tail"]

_PLACES = {
    "list": ("arawn.cli.interactions:list_interactions", "List calls, the newest last."),
    "show": ("arawn.cli.interactions:show", "Print everything about one call."),
    "tail": ("arawn.cli.interactions:tail", "Print the last calls, and with -f those to come."),
    "path": ("arawn.cli.interactions:path", "Print the directory of the log."),
}


@click.group(cls=LazyGroup, places=_PLACES)
def interactions() -> None:
    """Read the interaction log."""


@click.command("list")
@filter_options
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@json_option
@config_option
def list_interactions(limit: int, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """List calls, the newest last."""
    zone = zone_of(options["tz"])
    wanted = filters_of(options, limit=limit)
    heads = [entry.head for entry in _last(log_directory(config_file), wanted)]
    if as_json:
        print_json(heads)
        return
    characters = id_length([head.id for head in heads])
    print_table(HEADERS, [row(head, zone, characters) for head in heads], elastic=ELASTIC)


@click.command()
@click.argument("interaction", metavar="ID")
@click.option("--tz", metavar="ZONE", help="Time zone to show times in; local if none.")
@json_option
@config_option
def show(interaction: str, tz: str | None, as_json: bool, config_file: Path | None) -> None:
    """Print everything about one call: settings, conversation, tool calls, answer, timings, tokens, error.

    ID is its id, the beginning of it that no other has, or `latest`.
    """
    zone = zone_of(tz)
    record = _found(log_directory(config_file), interaction).record()
    if as_json:
        print_json(record)
        return
    for line in record_lines(record, zone):
        click.echo(printable(line))


@click.command()
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with calls as they are written.")
@click.option(
    "-n", "--lines", default=10, show_default=True, type=click.IntRange(min=0), help="How many to begin with."
)
@filter_options
@json_option
@config_option
def tail(following: bool, lines: int, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """Print the last calls, and with `-f` those to come, one line each."""
    zone = zone_of(options["tz"])
    wanted = filters_of(options, limit=lines)
    directory = log_directory(config_file)
    if following:
        run_async(partial(_follow, directory, wanted, zone, as_json=as_json))
        return
    for entry in _last(directory, wanted):
        click.echo(_line(entry, zone, as_json=as_json))


@click.command()
@config_option
def path(config_file: Path | None) -> None:
    """Print the directory of the log."""
    click.echo(log_directory(config_file))


async def _follow(directory: Path, wanted: Filters, zone: tzinfo, _: Interrupts, *, as_json: bool) -> None:
    _require(directory)
    follower = follow(directory, wanted, on_damage=_warn)  # before the look back, so that no call falls in between
    shown = set()
    for entry in _last(directory, wanted):
        shown.add(entry.head.id)
        await write_out(_line(entry, zone, as_json=as_json) + "\n")
    async for entry in follower:
        if entry.head.id not in shown:
            await write_out(_line(entry, zone, as_json=as_json) + "\n")
    raise AssertionError("a follower does not end")


def _line(entry: Entry, zone: tzinfo, *, as_json: bool) -> str:
    return msgspec.json.encode(entry.head).decode() if as_json else printable(short_row(entry.head, zone))


def _last(directory: Path, wanted: Filters) -> list[Entry]:
    """Return what is wanted, the newest last; say so when there is nothing."""
    if not directory.is_dir():
        note(_missing(directory))
        return []
    found = list(LogReader(directory, on_damage=_warn).newest_first(wanted))[::-1]
    if not found and wanted.limit != 0:
        note(f"no call in the interaction log at `{directory}` is one of those asked for")
    return found


def _found(directory: Path, interaction: str) -> Entry:
    _require(directory)
    if interaction != "latest":
        return LogReader(directory, on_damage=_warn).find(interaction)
    for entry in LogReader(directory, on_damage=_warn).newest_first(Filters(limit=1)):
        return entry
    raise BadInput(f"the interaction log at `{directory}` is empty")


def _require(directory: Path) -> None:
    if not directory.is_dir():
        raise BadInput(_missing(directory))


def _missing(directory: Path) -> str:
    return f"there is no interaction log at `{directory}` yet; the first call makes it"


def _warn(damage: Damage) -> None:
    note(f"arawn: warning: {damage.file}:{damage.line}: skipped: {damage.why}")
