"""`arawn interactions`: reads the log, whether or not something writes to it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec

from arawn.cli.group import LazyGroup
from arawn.cli.log_filters import fields_option, filter_options, filters_of, label_option
from arawn.cli.log_reading import Reader, kept_of_last, last_entries, required_log
from arawn.cli.options import config_option, json_option, log_directory
from arawn.cli.output import print_chosen, print_json, print_json_array, say
from arawn.cli.record_view import chosen_cells, chosen_values, print_calls
from arawn.interactions.entry import Entry
from arawn.interactions.fields import parse_fields
from arawn.interactions.judged import with_judged
from arawn.interactions.record import json_schema
from arawn.interactions.zones import zone_of

__all__ = ["interactions", "list_interactions", "path", "schema"]

_PLACES = {
    "list": ("arawn.cli.interactions:list_interactions", "List calls, the newest last."),
    "show": ("arawn.cli.interactions_show:show", "Print everything about one call."),
    "search": (
        "arawn.cli.interactions_search:search",
        "Find text in calls: what was said, names, tags, errors.",
    ),
    "tail": ("arawn.cli.interactions_tail:tail", "Print the last calls, and with -f those to come."),
    "stats": ("arawn.cli.interactions_stats:stats", "Count calls, tokens, errors and time."),
    "sql": ("arawn.cli.interactions_sql:sql", "Answer SQL over the log with DuckDB."),
    "schema": ("arawn.cli.interactions:schema", "Print the JSON Schema of a line."),
    "export": ("arawn.cli.interactions_export:export_interactions", "Write calls as other tools want them."),
    "verify": ("arawn.cli.interactions_verify:verify", "Check every line, number, hash, name and mode."),
    "repair": ("arawn.cli.interactions_repair:repair_command", "Set damaged bytes aside, keep every whole line."),
    "compact": ("arawn.cli.interactions_compact:compact", "Compress closed days."),
    "rm": ("arawn.cli.interactions_rm:remove_command", "Remove calls so that no byte of them remains."),
    "feedback": ("arawn.cli.interactions_feedback:feedback", "Say what a call was worth."),
    "path": ("arawn.cli.interactions:path", "Print the directory of the log."),
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.group(cls=LazyGroup, places=_PLACES)
def interactions() -> None:
    """Read the interaction log."""


@click.command("list", cls=Reader)
@filter_options
@label_option
@click.option("-n", "--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@fields_option
@json_option
@config_option
def list_interactions(limit: int, fields: str | None, as_json: bool, config_file: Path | None, **options: Any) -> None:
    """List calls, the newest last.

    With `--json`, one array of calls; `search` and `tail` print each as a line.
    """
    zone = zone_of(options["tz"])
    paths = parse_fields(fields) if fields is not None else ()
    wanted = filters_of(options, limit=limit)
    directory = required_log(config_file)
    wanted = with_judged(directory, wanted)
    if as_json:
        print_json_array(kept_of_last(directory, wanted, partial(_json_of, paths)))
        return
    entries = last_entries(directory, wanted)
    if paths:
        print_chosen(paths, [chosen_cells(entry, paths, zone) for entry in entries])
    else:
        print_calls([entry.head for entry in entries], zone)


def _json_of(paths: Sequence[str], entry: Entry) -> bytes:
    return msgspec.json.encode(chosen_values(entry, paths) if paths else entry.head)


@click.command()
@config_option
def path(config_file: Path | None) -> None:
    """Print the directory of the log."""
    say(str(log_directory(config_file)))


@click.command()
def schema() -> None:
    """Print the JSON Schema of a line of the log: every kind of line, every key."""
    found = json_schema()
    for definition in found["$defs"].values():
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    print_json({"$schema": _DIALECT, "title": "A line of the log", **found})
