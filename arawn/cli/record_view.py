"""Interactions as rows of a table, with the columns of a listing or those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from arawn.cli.log_reading import warn
from arawn.cli.table_fit import fitted, shortened
from arawn.interactions import entry as entries
from arawn.interactions.encode import encode_line
from arawn.interactions.entry import Entry
from arawn.interactions.record import InteractionHead

__all__ = [
    "ELASTIC",
    "HEADERS",
    "chosen_cells",
    "chosen_values",
    "id_length",
    "moment",
    "narrow_row",
    "row",
    "short_id",
    "short_row",
]

HEADERS = ("time", "id", "profile", "model", "status", "tokens", "ms", "workstream")
# What gives way on a narrow terminal, and down to how many characters; time and id never do.
ELASTIC = MappingProxyType({"workstream": 8, "model": 8, "tokens": 20, "profile": 8, "status": 16})

_SHORTEST_ID = 23  # of an id: its millisecond, and 26 random bits to tell it from others of the same


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
        f"{moment(head, zone):%Y-%m-%d %H:%M:%S}",
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


def chosen_cells(entry: Entry, paths: Sequence[str], **more: Any) -> tuple[str, ...]:
    """Return the same as texts: one as itself, anything else but nothing as JSON."""
    return tuple(_cell(value) for value in chosen_values(entry, paths, **more).values())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encode_line(value).decode().rstrip("\n")


def moment(head: InteractionHead, zone: tzinfo) -> datetime:
    """Return when the call began."""
    return datetime.fromisoformat(head.timestamp).astimezone(zone)


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
