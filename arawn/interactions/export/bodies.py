"""Reads the lines of calls that come in the order of the log; a compressed file is decoded once, not for every call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from arawn.interactions.entry import Entry
from arawn.interactions.files import parse_name
from arawn.interactions.heads import decode_line
from arawn.interactions.record import InteractionRecord
from arawn.interactions.scan import LogScan

__all__ = ["BodyReader"]

_ID_STANDS_WITHIN = 256


class BodyReader:
    """Walks through each compressed file beside the reader that found the calls; a plain file is read in place."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lines: Iterator[bytes] = iter(())

    def record(self, entry: Entry) -> InteractionRecord:
        """Return everything about a call, tool results joined; errors as for `Entry.record`."""
        if entry.path.suffix != ".zst":
            return entry.record()
        record = decode_line(self.line(entry))
        if not isinstance(record, InteractionRecord):
            return entry.record()
        return msgspec.structs.replace(record, tool_calls=entry.head.tool_calls)

    def line(self, entry: Entry) -> bytes:
        """Return a call's line; errors as for `Entry.raw`."""
        if entry.path.suffix != ".zst":
            return entry.raw()
        if entry.path != self._path:
            self._path, self._lines = entry.path, _lines(entry.path)
        wanted = f'"id":"{entry.head.id}"'.encode()
        for line in self._lines:
            if wanted in line[:_ID_STANDS_WITHIN]:
                return line
        return entry.raw()  # written in another form than Arawn's


def _lines(path: Path) -> Iterator[bytes]:
    file = parse_name(path.name)
    assert file is not None, "a reader opens nothing else"
    for _, (_, line) in LogScan(path.parent, on_damage=lambda _: None).forwards([file]):  # its reader names damage
        yield line
