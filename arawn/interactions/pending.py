"""The lines that are taken and not yet written: numbered, encoded, in order. Pure."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter

import msgspec

from arawn.interactions.encode import encode_line
from arawn.interactions.record import GapLine, LogLine, MarkLine, timestamp_text

__all__ = ["Line", "Numbering", "Pending"]

_OWN_WORDS = (MarkLine, GapLine)
_day_of, _size_of = attrgetter("day"), attrgetter("size")


class Line(msgspec.Struct, gc=False):
    """A numbered line on its way to the disk: `size` bytes of JSON that belong to `day`.

    Either of its two forms may be let go while it waits, but for a mark or a gap, of which the content stays.
    """

    content: LogLine | None
    day: str
    size: int
    data: bytes | None

    @property
    def json(self) -> bytes:
        """The line itself, encoded again where only its content was kept."""
        return encode_line(self.content) if self.data is None else self.data

    def keep(self) -> None:
        """Keep the smaller form alone, now that the line is written: it is wanted only where the disk loses it.

        That is the content, which mostly is somebody else's too; but a text with one letter beyond ASCII takes up to
        five times its JSON in memory.
        """
        if self.data is None:
            return
        if self.data.isascii() or isinstance(self.content, _OWN_WORDS):
            self.data = None
        else:
            self.content = None


class Numbering:
    """The dense numbers of one writer."""

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.last = 0

    def line(self, line: LogLine) -> Line:
        """Return `line` under the next number, encoded."""
        self.last += 1
        numbered = msgspec.structs.replace(line, writer=self.writer, seq=self.last)
        data = encode_line(numbered)
        return Line(numbered, line.timestamp[:10], len(data), data)

    def behind_new_part_mark(self, lines: list[Line], *, after: str, reason: str, at: datetime) -> list[Line]:
        """Return `lines`, which are to be written again, behind a mark that says so.

        One mark says it, however often the lines move on.
        """
        if lines and isinstance(mark := lines[0].content, MarkLine) and mark.event == "new_part":
            return lines
        detail = {"after": after, "reason": reason, "rewritten": len(lines)}
        return [self.line(MarkLine(event="new_part", detail=detail, timestamp=timestamp_text(at))), *lines]


class Pending:
    """A queue of lines that knows its length in bytes."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self.total_bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def first_day(self) -> str:
        """The day of the line that is written next; there is one."""
        return self._lines[0].day

    @property
    def unwritten(self) -> int:
        """How many of the lines are more than words of the log about itself: marks and gaps."""
        return sum(not isinstance(line.content, _OWN_WORDS) for line in self._lines)

    @property
    def undeclared(self) -> int:
        """How many records the log would lack with these lines, and say nothing of: a gap stands for all its count."""
        return self.unwritten + sum(line.content.count for line in self._lines if isinstance(line.content, GapLine))

    def add(self, line: Line) -> None:
        """Put a line at the end."""
        self._lines.append(line)
        self.total_bytes += line.size

    def put_back(self, lines: list[Line]) -> None:
        """Put lines that were written in vain at the front."""
        self._lines[:0] = lines
        self.total_bytes += sum(map(_size_of, lines))

    def head(self, day: str, limit: int) -> list[Line]:
        """Return the first lines that belong to `day` or earlier, as many as `limit` bytes hold; at least one of them.

        There may be none.
        """
        if self.total_bytes <= limit and max(map(_day_of, self._lines), default=day) <= day:
            return self._lines[:]
        size = 0
        for count, line in enumerate(self._lines):
            size += line.size
            if line.day > day or (count and size > limit):
                return self._lines[:count]
        return self._lines[:]

    def drop(self, lines: list[Line]) -> None:
        """Remove the first lines, which are `lines`."""
        del self._lines[: len(lines)]
        self.total_bytes -= sum(map(_size_of, lines))
