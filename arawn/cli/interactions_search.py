"""`arawn interactions search`: which calls hold a text, where, and the line around it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import click

from arawn.cli.log_filters import fields_option, filter_options, filters_of, label_option
from arawn.cli.log_reading import ProgressLine, Reader, required_log, warn
from arawn.cli.options import config_option, json_option
from arawn.cli.output import emphasised, note, print_json_line, print_made, printable, say
from arawn.cli.record_view import chosen_cells, narrow_row, short_id
from arawn.cli.table_fit import on_one_line, shortened, text_width
from arawn.errors import BadInput
from arawn.interactions.counted import counted
from arawn.interactions.encode import encode_line
from arawn.interactions.fields import parse_fields
from arawn.interactions.filters import Filters
from arawn.interactions.hits import Hit, TextSearch, call_of, hit_of, hit_values, newest_hits, unsearched
from arawn.interactions.judged import with_judged
from arawn.interactions.search import Place, Query
from arawn.interactions.zones import zone_of

__all__ = ["search"]

_PLACES_SHOWN = 3
_SPACES = str.maketrans("\n\t", "  ")


@click.command(cls=Reader)
@click.argument("text", required=False)
@click.option("-e", "--regex", is_flag=True, help="TEXT is a regular expression of Python's; `^` and `$` at each line.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case are the same.")
@filter_options
@label_option
@click.option("-n", "--limit", type=click.IntRange(min=1), help="The newest calls, at most this many.")
@fields_option
@json_option
@config_option
def search(
    *,
    text: str | None,
    regex: bool,
    ignore_case: bool,
    limit: int | None,
    fields: str | None,
    as_json: bool,
    config_file: Path | None,
    **options: Any,
) -> None:
    """Find TEXT in messages, prompts, answers, tools, their arguments and results, names, tags, errors, feedback notes.

    Without TEXT, every call that the filters choose is found. The oldest is printed first; with `--json`, each as one
    line of JSON. Of a call, three places are shown; `--json` has all of them.
    """
    if text is None and (regex or ignore_case):
        raise BadInput("`--regex` and `--ignore-case` need a TEXT to search for")
    query = Query(text, regex=regex, ignore_case=ignore_case) if text is not None else None
    paths = parse_fields(fields) if fields is not None else ()
    zone = zone_of(options["tz"])
    wanted = filters_of(options, limit=limit)
    directory = required_log(config_file)
    wanted = with_judged(directory, wanted)
    found = False
    with ProgressLine() as progress:
        shown = _json_of if as_json else _lines_of
        for hit in _hits(directory, query, wanted, progress):
            found = True
            with progress.hidden():
                shown(hit, directory, paths, zone)
    if query is not None:
        _tell_unsearched(directory)
    if not found:
        note(f"nothing in the interaction log at `{directory}` is what was searched for")


def _tell_unsearched(directory: Path) -> None:
    """Name the pieces of files that are kept aside: what stands there alone is not found."""
    aside = unsearched(directory)
    if aside:
        more = f" and {counted(len(aside) - 1, 'other')}" if aside[1:] else ""
        note(f"arawn: warning: not searched, since no call can be read in it: {aside[0]}{more}; `grep` may look there")


def _hits(directory: Path, query: Query | None, wanted: Filters, progress: ProgressLine) -> Iterator[Hit]:
    """Yield hits, the oldest first; of a limited search, the newest ones."""
    if wanted.limit is not None:
        found = newest_hits(directory, query, wanted, on_damage=progress.damage, on_progress=progress.update)
        return reversed(list(found))
    if query is None:
        return map(hit_of, progress.reader(directory).oldest_first(wanted))
    search = TextSearch(directory, query, wanted, on_damage=progress.damage, on_progress=progress.update)
    return search.oldest_first()


def _json_of(hit: Hit, directory: Path, paths: Sequence[str], _: tzinfo) -> None:
    print_json_line(encode_line(hit_values(directory, hit, paths, on_damage=warn)), nl=False)


def _lines_of(hit: Hit, directory: Path, paths: Sequence[str], zone: tzinfo) -> None:
    print_made(emphasised(printable(_headline(hit, directory, paths, zone))))
    for place in hit.places[:_PLACES_SHOWN]:
        print_made(_shown(place))
    more = len(hit.places) - _PLACES_SHOWN
    if more > 0:
        say(f"  … and in {counted(more, 'more place')}")


def _headline(hit: Hit, directory: Path, paths: Sequence[str], zone: tzinfo) -> str:
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if paths:
        with suppress(BadInput):  # its call is in the log no more: then the line without chosen fields
            text = on_one_line("  ".join(chosen_cells(call_of(directory, hit), paths, zone)))
            return text if columns is None else shortened(printable(text), columns)
    if columns is not None and hit.entry is not None:
        return narrow_row(hit.entry.head, zone, columns)
    moment = datetime.fromisoformat(hit.timestamp).astimezone(zone)
    cells = [f"{moment:%Y-%m-%d %H:%M:%S}", hit.id if columns is None else short_id(hit.id)]
    if hit.entry is not None:
        head = hit.entry.head
        cells += [head.status, head.profile, head.model_used or head.model_requested or "", head.workstream or ""]
    return "  ".join(cell for cell in cells if cell)


def _shown(place: Place) -> str:
    where, before, match, after = (
        printable(part.translate(_SPACES)) for part in (place.where, place.before, place.match, place.after)
    )
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns - len("  : ")
        where = shortened(where, columns // 2)
        room = columns - text_width(where)
        match = shortened(match, room)
        before = shortened(before[::-1], (room - text_width(match)) // 2)[::-1]
        after = shortened(after, room - text_width(match) - text_width(before))
    return f"  {where}: {before}{emphasised(match)}{after}"
