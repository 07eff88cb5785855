"""The lines that are taken and not yet written: numbered, encoded, in order. Pure."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from sys import intern
from typing import Any

import msgspec

from arawn.interactions.encode import encode_line
from arawn.interactions.record import GapLine, InteractionRecord, LogLine, MarkLine, timestamp_text

__all__ = ["Line", "Numbering", "Pending"]

_OWN_WORDS = (MarkLine, GapLine)
_THING_BYTES = 100  # what a tag, a message or a block takes in memory beside its text
_things_of = attrgetter(
    "tags", "params", "tools", "tool_calls", "response_content", "messages", "truncated", "warnings"
)
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
        """Keep one form alone, now that the line is written: it is wanted again only where the disk loses it.

        That is the record where it takes at most about twice its JSON, and mostly is somebody else's too.
        """
        if self.data is None or isinstance(self.content, _OWN_WORDS):
            return
        if isinstance(self.content, InteractionRecord) and _is_compact(self.content, self.size):
            self.data = None
        else:
            self.content, self.data = None, bytes(memoryview(self.data))  # the encoder's own have room to spare


def _is_compact(record: InteractionRecord, size: int) -> bool:
    """Say whether a record takes little more memory than its JSON, which is `size` bytes long.

    A text with one emoji takes four bytes for each of its letters, and each small thing some hundred of its own.
    """
    if type(record.warnings) is not tuple or sum(map(len, _things_of(record))) * _THING_BYTES > size:
        return False
    texts = [record.system_prompt or "", *[getattr(block, "text", "") for block in record.response_content]]
    return all(map(_is_ascii, texts))


def _is_ascii(text: Any) -> bool:
    return isinstance(text, str) and text.isascii()


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
        return Line(numbered, intern(line.timestamp[:10]), len(data), data)

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
