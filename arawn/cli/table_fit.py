"""Fits tables into a terminal that is too narrow for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unicodedata import combining, east_asian_width

__all__ = ["GAP", "WHOLE", "evenly", "fitted", "on_one_line", "shortened", "text_width"]

WHOLE = frozenset({"id", "call_id", "interaction_id"})  # columns of no use to anyone when they are cut
GAP = 2  # columns of the terminal between two of the table

Rows = Sequence[Sequence[str]]

_LINE_ENDS = str.maketrans({"\n": r"\n", "\r": r"\r"})


def fitted(
    headers: Sequence[str], rows: Rows, columns: int, elastic: Mapping[str, int]
) -> tuple[Sequence[str], Rows, list[int]]:
    """Return headers, rows and the width of each column, so that they fit into `columns` if they can.

    Args:
        headers, rows: The table.
        columns: Width of the terminal, in characters.
        elastic: The columns that give way, in this order, each with the least width it may be cut to. When that is not
            enough, the first of them is left out, then the next. All others keep their width.
    """
    widths = _widths(headers, rows)
    excess = sum(widths) + GAP * (len(headers) - 1) - columns
    places = [place for name in elastic for place, header in enumerate(headers) if header == name]
    givable = {place: max(0, widths[place] - elastic[headers[place]]) for place in places}
    if givable and excess > sum(givable.values()):
        narrower = [_without(row, places[0]) for row in rows]
        return fitted(_without(headers, places[0]), narrower, columns, elastic)
    for place, most in givable.items():
        given = min(most, max(0, excess))
        widths[place] -= given
        excess -= given
    return headers, rows, widths


def evenly(headers: Sequence[str], rows: Rows, columns: int, *, least: int) -> dict[str, int] | None:
    """Return what makes `fitted` cut the widest columns, all to one width; None if that would be less than `least`.

    Columns of whole ids are never cut.
    """
    widths = _widths(headers, rows)
    cuttable = [width for name, width in zip(headers, widths, strict=True) if name not in WHOLE]
    room = columns - GAP * (len(headers) - 1) - (sum(widths) - sum(cuttable))
    widest = min(max(cuttable, default=0), columns)
    for cut in range(widest, min(widest, least) - 1, -1):
        if sum(min(width, cut) for width in cuttable) <= room:
            named = zip(headers, widths, strict=True)
            return {name: cut for name, width in named if width > cut and name not in WHOLE}
    return None


def text_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes: East Asian letters and most emoji take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)


def on_one_line(text: str) -> str:
    r"""Return `text` with its line ends as `\n` and `\r`, so that a row stays a row."""
    return text.translate(_LINE_ENDS)


def shortened(text: str, columns: int) -> str:
    """Return `text`, or as much of its beginning as leaves room for an ellipsis."""
    if text_width(text) <= columns:
        return text
    kept = text[: max(0, columns - 1)]
    while text_width(kept) > columns - 1:
        kept = kept[:-1]
    return f"{kept}…"


def _widths(headers: Sequence[str], rows: Rows) -> list[int]:
    return [max(map(text_width, cells)) for cells in zip(headers, *rows, strict=True)]


def _without(cells: Sequence[str], place: int) -> list[str]:
    return [*cells[:place], *cells[place + 1 :]]
