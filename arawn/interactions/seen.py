"""Which numbered lines have been seen already. Constant memory, since numbers are dense. Pure."""

from __future__ import annotations

from bisect import bisect_right

__all__ = ["SeenLines"]


class SeenLines:
    """The numbers seen of each writer, as disjoint ranges: an undamaged log, read in either direction, makes one."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def is_new(self, writer: str | None, seq: int | None) -> bool:
        """Note a line; say whether it is the first with this number. Lines without a number are always new."""
        if writer is None or seq is None:
            return True
        ranges = self._ranges.setdefault(writer, [])
        place = bisect_right(ranges, (seq, float("inf")))
        if place and ranges[place - 1][1] >= seq:
            return False
        first = last = seq
        if place < len(ranges) and ranges[place][0] == seq + 1:
            last = ranges.pop(place)[1]
        if place and ranges[place - 1][1] == seq - 1:
            place -= 1
            first = ranges.pop(place)[0]
        ranges.insert(place, (first, last))
        return True

    def skip_to(self, writer: str, seq: int) -> None:
        """Take every line of `writer` up to this number as seen, if none of them was noted yet."""
        self._ranges.setdefault(writer, [(0, seq)])
