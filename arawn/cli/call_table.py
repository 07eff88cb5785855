"""The table of `interactions list`: what a narrow terminal loses, and in which order."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo

from arawn.cli.output import print_table
from arawn.cli.record_view import ELASTIC, HEADERS, id_length, moment, row
from arawn.cli.table_fit import fitted
from arawn.interactions.record import InteractionHead

__all__ = ["call_table", "print_calls"]

_WHOLE_ID = len("01890a5d-ac96-774b-bcce-b302099a8057")
_MILLISECOND = len("01890a5d-ac96")  # of an id: another one begins so only if it is of the same millisecond
_NEEDED = frozenset({"profile", "status"})  # without them a failure looks like an answer
_CUT = {**ELASTIC, "profile": 6, "status": 6}

Rows = list[tuple[str, ...]]


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
