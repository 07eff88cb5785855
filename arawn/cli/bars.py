"""Draws numbers as bars of text. Pure, but for the width of the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from arawn.cli.table_fit import shortened, text_width

__all__ = ["bars"]

_EIGHTHS = " ▏▎▍▌▋▊▉"
_LONGEST_LABEL = 40


def bars(labels: Sequence[str], values: Sequence[float]) -> Iterator[str]:
    """Yield a line for each value: its label, a bar as long as its share of the greatest, the value."""
    columns = shutil.get_terminal_size().columns
    labels = [shortened(label, min(_LONGEST_LABEL, columns // 2)) for label in labels]
    width = max(map(text_width, labels), default=0)
    figures = [f"{value:,.0f}" for value in values]
    digits = max(map(len, figures), default=0)
    room = max(1, columns - width - digits - 4)
    greatest = max(values, default=0) or 1
    for label, value, figure in zip(labels, values, figures, strict=True):
        yield f"{label}{' ' * (width - text_width(label))}  {_bar(value / greatest * room):<{room}}  {figure:>{digits}}"


def _bar(length: float) -> str:
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return "#" * round(length)
    eighths = round(length * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
