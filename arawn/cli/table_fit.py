"""Fits a table into a terminal that is too narrow for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["GAP", "fitted"]

GAP = 2  # columns of the terminal between two of the table

Rows = Sequence[Sequence[str]]


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
    widths = {name: max(map(len, cells)) for name, *cells in zip(headers, headers, *rows, strict=True)}
    excess = sum(widths.values()) + GAP * (len(headers) - 1) - columns
    givable = {name: max(0, widths[name] - least) for name, least in elastic.items() if name in widths}
    if givable and excess > sum(givable.values()):
        place = headers.index(next(iter(givable)))
        narrower = [_without(row, place) for row in rows]
        return fitted(_without(headers, place), narrower, columns, elastic)
    for name, most in givable.items():
        given = min(most, max(0, excess))
        widths[name] -= given
        excess -= given
    return headers, rows, list(widths.values())


def _without(cells: Sequence[str], place: int) -> list[str]:
    return [*cells[:place], *cells[place + 1 :]]
