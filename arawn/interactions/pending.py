"""The lines that are taken and not yet written, in order. Pure."""

from __future__ import annotations

from itertools import accumulate

import msgspec

__all__ = ["Line", "Pending"]

Line = tuple[str, bytes]  # the day a line belongs to, and the line itself

_MARK = b'{"kind":"mark",'
_GAP = b'{"kind":"gap",'


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
        ends = accumulate(len(data) for _, data in self._lines)
        beyond = (
            index
            for index, ((line_day, _), end) in enumerate(zip(self._lines, ends, strict=True))
            if line_day > day or (end > limit and index > 0)
        )
        return self._lines[: next(beyond, len(self._lines))]

    def drop(self, lines: list[Line]) -> None:
        """Remove the first lines, which are `lines`."""
        del self._lines[: len(lines)]
        self.total_bytes -= sum(len(data) for _, data in lines)
