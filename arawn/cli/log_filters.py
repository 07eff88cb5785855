"""The options that say which interactions are wanted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, get_args

import click
import msgspec

from arawn.cli.options import tag_option, tags_of
from arawn.interactions.filters import Filters, time_window
from arawn.interactions.record import Status
from arawn.interactions.zones import zone_of

__all__ = ["fields_option", "filter_options", "filters_of", "label_option"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--date", "on", metavar="DAY", help="One day: 2026-01-28, today or yesterday."),
    click.option("--since", metavar="TIME", help="From a day, a time (2026-01-28T14:30), or an age (15m, 1.5h, 3d)."),
    click.option("--until", metavar="TIME", help="Up to a day (all of it), or to before a time, now, or an age."),
    click.option(
        "--tz", metavar="ZONE", help="Zone of days and times, such as Europe/Berlin, UTC or +02:00; local if none."
    ),
    click.option("-w", "--workstream", metavar="NAME"),
    click.option("--session", metavar="ID"),
    click.option("--call", metavar="CALL_ID", help="All attempts of one call."),
    click.option("-p", "--profile", metavar="NAME"),
    click.option("-m", "--model", metavar="NAME", help="Asked for, or answered."),
    click.option("--status", type=click.Choice(get_args(Status))),
    click.option("--tool", metavar="NAME", help="The model called this tool."),
    tag_option,
    click.option("--min-duration", "min_duration_ms", type=click.IntRange(min=0), metavar="MS"),
    click.option("--has-error", is_flag=True, help="Only what `stats` counts as errors: not cancelled calls."),
)


label_option = click.option(
    "--label", "labels", metavar="LABEL", multiple=True, help="The last feedback of the call is this; repeatable."
)
fields_option = click.option(
    "--fields", metavar="PATH,…", help="Show these fields, by dotted paths such as id,tags.team,tool_calls.tool_name."
)


def filter_options(command: F) -> F:
    """Give a command the options that `filters_of` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filters_of(options: dict[str, Any], *, limit: int | None) -> Filters:
    """Return the filters that the options of `filter_options` ask for.

    Raises:
        BadInput: A time or a zone cannot be read.
    """
    zone = zone_of(options.pop("tz"))
    times = {name: options.pop(name) for name in ("on", "since", "until")}
    start, end = time_window(**times, zone=zone, now=datetime.now(UTC))
    tags, labels = _tags_wanted(options.pop("tags")), options.pop("labels", ())
    wanted = msgspec.convert({**options, "start": start, "end": end, "tags": tags, "limit": limit}, Filters)
    return msgspec.structs.replace(wanted, labels=labels)


def _tags_wanted(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the tags given as `key=value`; a program may have logged one with an empty key."""
    unnamed = [text[1:] for text in texts if text.startswith("=")]
    named = tags_of(tuple(text for text in texts if not text.startswith("=")))
    return {**named, "": unnamed[-1]} if unnamed else named
