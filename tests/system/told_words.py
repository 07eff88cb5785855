"""The tables in docs/operations.md of what commands say when something fails, as tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.arawn.cli.place import ROOT

_CODE = re.compile(r"`([^`]+)`")


def told(heading: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the words that stand as code in the cells of the table below `heading`, by the words of its first cell.

    The last column says what to do, in words of the page's own.
    """
    return {cells[0]: tuple(tuple(_CODE.findall(cell)) for cell in cells[1:-1]) for cells in _rows(heading)}


def _rows(heading: str) -> Iterator[list[str]]:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:])


def missing(words: tuple[str, ...], text: str) -> list[str]:
    """Return the words that are not in `text`, backticks and line breaks apart."""
    plain = " ".join(text.replace("`", "").split())
    return [word for word in words if word not in plain]
