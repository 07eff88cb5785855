"""Reads the lines of calls that come in the order of the log; a compressed file is decoded once, not for every call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from arawn.interactions.entry import Entry
from arawn.interactions.files import parse_name
from arawn.interactions.raw_lines import RawLine
from arawn.interactions.record import InteractionRecord
from arawn.interactions.scan import LogScan

__all__ = ["BodyReader"]


class BodyReader:
    """Walks through each compressed file beside the reader that found the calls; a plain file is read in place.

    A plain file can be compressed at any moment: from then on it is walked through, too.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lines: Iterator[RawLine] = iter(())

    def record(self, entry: Entry) -> InteractionRecord:
        """Return everything about a call, tool results joined; errors as for `Entry.record`."""
        return entry.record(self.line(entry))

    def line(self, entry: Entry) -> bytes:
        """Return a call's line; errors as for `Entry.raw`."""
        if entry.path.suffix != ".zst" and entry.path.exists():
            return entry.raw()
        if entry.path != self._path:
            self._path, self._lines = entry.path, _lines(entry.path)
        for offset, line in self._lines:
            if offset >= entry.offset:
                return line if offset == entry.offset else entry.raw()
        return entry.raw()  # which says what has become of it


def _lines(path: Path) -> Iterator[RawLine]:
    file = parse_name(path.name)
    assert file is not None, "a reader opens nothing else"
    for _, raw in LogScan(path.parent, on_damage=lambda _: None).forwards([file]):  # its reader names damage
        yield raw
