"""Interactions as rows of a table, with the columns of a listing or those asked for, and what a terminal loses."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from arawn.cli.log_reading import warn
from arawn.cli.output import print_table
from arawn.cli.table_fit import fitted, shortened
from arawn.interactions import entry as entries
from arawn.interactions.encode import encode_line
from arawn.interactions.entry import Entry
from arawn.interactions.record import InteractionHead
from arawn.interactions.zones import shown_time

__all__ = [
    "ELASTIC",
    "HEADERS",
    "call_table",
    "chosen_cells",
    "chosen_values",
    "id_length",
    "moment",
    "narrow_row",
    "print_calls",
    "row",
    "short_id",
    "short_row",
]

HEADERS = ("time", "id", "profile", "model", "status", "tokens", "ms", "workstream")
# What gives way on a narrow terminal, and down to how many characters; time and id never do.
ELASTIC = MappingProxyType({"workstream": 8, "model": 8, "tokens": 20, "profile": 8, "status": 16})

_SHORTEST_ID = 23  # of an id: its millisecond, and 26 random bits to tell it from others of the same
_WHOLE_ID = len("01890a5d-ac96-774b-bcce-b302099a8057")
_MILLISECOND = len("01890a5d-ac96")  # of an id: another one begins so only if it is of the same millisecond
_NEEDED = frozenset({"profile", "status"})  # without them a failure looks like an answer
_CUT = {**ELASTIC, "profile": 6, "status": 6}
Rows = list[tuple[str, ...]]


def id_length(ids: Sequence[str]) -> int:
    """Return how many characters of the ids to show on a terminal, where they stand for the whole ids."""
    return max((_common(one, other) + 1 for one, other in pairwise(sorted(ids))), default=0)


def _common(one: str, other: str) -> int:
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one))


def short_id(identity: str) -> str:
    """Return the beginning of an id that hardly ever another one has."""
    return identity[:_SHORTEST_ID]


def row(head: InteractionHead, zone: tzinfo, id_characters: int) -> tuple[str, ...]:
    """Return the cells of one interaction."""
    return (
        shown_time(moment(head, zone), zone),
        head.id[: max(id_characters, _SHORTEST_ID)],
        head.profile,
        head.model_used or head.model_requested or "",
        head.status if head.error is None or head.status != "error" else f"error {head.error.type}",
        f"{_count(head.total_input_tokens)}+{_count(head.output_tokens)}",
        str(head.duration_ms),
        head.workstream or "",
    )


def short_row(head: InteractionHead, zone: tzinfo) -> str:
    """Return one interaction as a line that stands alone."""
    return "  ".join(cell for cell in row(head, zone, len(head.id)) if cell)


def narrow_row(head: InteractionHead, zone: tzinfo, columns: int) -> str:
    """Return the same for a terminal of so many columns: cells are cut, or left out, as in a listing."""
    named = [(name, cell) for name, cell in zip(HEADERS, row(head, zone, 0), strict=True) if cell]
    places = [str(place) for place in range(len(named))]  # in place of headers, which could be wider than the cells
    elastic = {places[place]: ELASTIC[name] for name in ELASTIC for place, (own, _) in enumerate(named) if own == name}
    _, (kept,), widths = fitted(places, [[cell for _, cell in named]], columns, elastic)
    return shortened("  ".join(map(shortened, kept, widths)), columns)


def chosen_values(entry: Entry, paths: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return what `arawn.interactions.entry` does, and name on stderr what cannot be read."""
    return entries.chosen_values(entry, paths, on_damage=warn, **more)


def chosen_cells(entry: Entry, paths: Sequence[str], zone: tzinfo, **more: Any) -> tuple[str, ...]:
    """Return the same as texts, with the time in `zone`: a text as itself, anything else but nothing as JSON."""
    values = chosen_values(entry, paths, **more)
    if "timestamp" in values:
        values["timestamp"] = moment(entry.head, zone).isoformat(timespec="microseconds")
    return tuple(map(_cell, values.values()))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encode_line(value).decode().rstrip("\n")


def moment(head: InteractionHead, zone: tzinfo) -> datetime:
    """Return the time of the record: when the attempt began, in `zone`."""
    return datetime.fromisoformat(head.timestamp).astimezone(zone)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def print_calls(heads: Sequence[InteractionHead], zone: tzinfo) -> None:
    """Print a row for each call; elsewhere than on a terminal, nothing is shortened."""
    if not sys.stdout.isatty():
        print_table(HEADERS, [row(head, zone, _WHOLE_ID) for head in heads])
        return
    rows, elastic = call_table(heads, zone, shutil.get_terminal_size().columns, now=datetime.now(zone))
    print_table(HEADERS, rows, elastic=elastic)


def call_table(
    heads: Sequence[InteractionHead], zone: tzinfo, columns: int, *, now: datetime
) -> tuple[Rows, Mapping[str, int]]:
    """Return the rows, and what of them `fitted` may cut: the first form in which profile and status have room.

    Times are shortened first, then ids, then what stands in the two columns.
    """
    for rows, elastic in _forms(heads, zone, now):
        headers, _, _ = fitted(HEADERS, rows, columns, elastic)
        if set(headers) >= _NEEDED:
            break
    return rows, elastic


def _forms(heads: Sequence[InteractionHead], zone: tzinfo, now: datetime) -> Iterator[tuple[Rows, Mapping[str, int]]]:
    characters = id_length([head.id for head in heads])
    whole = [row(head, zone, characters) for head in heads]
    yield whole, ELASTIC
    timed = [(_short_time(moment(head, zone), now), *cells[1:]) for head, cells in zip(heads, whole, strict=True)]
    yield timed, ELASTIC
    shown = max(characters, _MILLISECOND)
    short = [(time, identity[:shown], *rest) for time, identity, *rest in timed]
    yield short, ELASTIC
    yield short, _CUT


def _short_time(at: datetime, now: datetime) -> str:
    """Return the time of a call of today, month and day of one of this year, else the whole day."""
    if at.date() == now.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%m-%d %H:%M}" if at.year == now.year else f"{at:%Y-%m-%d}"
