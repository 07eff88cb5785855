"""Gives lines their numbers, and makes bytes of them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from arawn.interactions.encode import encode_line
from arawn.interactions.pending import Line
from arawn.interactions.record import LogLine, MarkLine, timestamp_text

__all__ = ["Numbering"]

_NEW_PART = b'{"kind":"mark","v":1,"event":"new_part"'


class Numbering:
    """The dense numbers of one writer."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.last = 0

    def line(self, line: LogLine) -> Line:
        """Return `line` under the next number, encoded, beside its day."""
        self.last += 1
        numbered = msgspec.structs.replace(line, writer=self.writer, seq=self.last)
        return line.timestamp[:10], encode_line(numbered)

    def behind_new_part_mark(self, lines: list[Line], *, after: str, reason: str, at: datetime) -> list[Line]:
        """Return `lines`, which are to be written again, behind a mark that says so.

        One mark says it, however often the lines move on.
        """
        if lines and lines[0][1].startswith(_NEW_PART):
            return lines
        detail = {"after": after, "reason": reason, "rewritten": len(lines)}
        return [self.line(MarkLine(event="new_part", detail=detail, timestamp=timestamp_text(at))), *lines]
