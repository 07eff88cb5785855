"""The options that say which interactions are wanted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from arawn.cli.output import note
from arawn.interactions.filters import Filters, wanted_of
from arawn.interactions.judged import judged_by, latest_labels
from arawn.interactions.record import Status

__all__ = ["fields_option", "filter_options", "filters_of", "judged_aloud", "label_option"]

_MOST_LABELS = 10

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--date", metavar="DAY", help="One day: 2026-01-28, today or yesterday."),
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
    click.option("--tag", multiple=True, metavar="KEY=VALUE", help="A tag; repeatable, for calls with all of them."),
    click.option("--min-duration", type=click.IntRange(min=0), metavar="MS"),
    click.option("--has-error", flag_value="true", help="Only what `stats` counts as errors: not cancelled calls."),
)


label_option = click.option(
    "--label", metavar="LABEL", multiple=True, help="The last feedback of the call is this; repeatable."
)
fields_option = click.option(
    "--fields", metavar="PATH,…", help="Show these fields, by dotted paths such as id,tags.team,tool_calls.tool_name."
)


def filter_options(command: F) -> F:
    """Give a command the options that `filters_of` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def judged_aloud(directory: Path, wanted: Filters) -> Filters:
    """Return what `with_judged` does, and say of each label that no call has which ones there are.

    Raises:
        OSError: The log cannot be read.
    """
    if not wanted.labels:
        return wanted
    latest = latest_labels(directory, wanted)
    there_are = Counter(latest.values())
    for label in sorted(wanted.labels):
        if label not in there_are:
            note(f"arawn: no call has the label `{label}`; {_labels(there_are)}")
    return judged_by(latest, wanted)


def _labels(there_are: Counter[str]) -> str:
    shown = ", ".join(f"`{label}`" for label, _ in there_are.most_common(_MOST_LABELS))
    more = len(there_are) - _MOST_LABELS
    return f"the labels are {shown}{f' and {more:,} more' if more > 0 else ''}" if shown else "none has been judged"


def filters_of(options: dict[str, Any], *, limit: int | None) -> Filters:
    """Return the filters that the options of `filter_options` ask for.

    Raises:
        BadInput: A value is none of those accepted.
    """
    given = ((name, value if isinstance(value, tuple) else (value,)) for name, value in options.items())
    asked = [(name, str(text)) for name, texts in given for text in texts if text is not None]
    at_most = None if limit is None else min(limit, sys.maxsize)  # more than that is all of them, too
    return wanted_of(asked, now=datetime.now(UTC), limit=at_most)
