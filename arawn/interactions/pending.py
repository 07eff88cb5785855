"""The lines that are taken and not yet written: numbered, encoded, in order. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from arawn.interactions.encode import encode_line
from arawn.interactions.record import LogLine, MarkLine, timestamp_text

__all__ = ["Line", "Numbering", "Pending"]

Line = tuple[str, bytes]  # the day a line belongs to, and the line itself

_MARK = b'{"kind":"mark",'
_GAP = b'{"kind":"gap",'
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


class _Gap(msgspec.Struct):
    count: int


class Pending:
    """A queue of lines that knows its length in bytes; `total_bytes` is what they take in memory."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self.total_bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def first_day(self) -> str:
        """The day of the line that is written next; there is one."""
        return self._lines[0][0]

    @property
    def unwritten(self) -> int:
        """How many of the lines are more than words of the log about itself: marks and gaps."""
        return sum(not data.startswith((_MARK, _GAP)) for _, data in self._lines)

    @property
    def undeclared(self) -> int:
        """How many records the log would lack with these lines, and say nothing of: a gap stands for all its count."""
        gaps = (data for _, data in self._lines if data.startswith(_GAP))
        return self.unwritten + sum(msgspec.json.decode(data, type=_Gap).count for data in gaps)

    def add(self, line: Line) -> None:
        """Put a line at the end."""
        self._lines.append(line)
        self.total_bytes += len(line[1])

    def put_back(self, lines: list[Line]) -> None:
        """Put lines that were written in vain at the front."""
        self._lines[:0] = lines
        self.total_bytes += sum(len(data) for _, data in lines)

    def head(self, day: str, limit: int) -> list[Line]:
        """Return the first lines that belong to `day` or earlier, as many as `limit` bytes hold, at least one."""
        size = 0
        for count, (line_day, data) in enumerate(self._lines):
            size += len(data)
            if line_day > day or (count and size > limit):
                return self._lines[:count]
        return self._lines[:]

    def drop(self, lines: list[Line]) -> None:
        """Remove the first lines, which are `lines`."""
        del self._lines[: len(lines)]
        self.total_bytes -= sum(len(data) for _, data in lines)
