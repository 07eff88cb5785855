"""Which numbers of each writer have been seen. Memory grows with the gaps, not with the lines. Pure."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

__all__ = ["NOWHERE", "Place", "Run", "SeenLines"]


class Place(msgspec.Struct, frozen=True):
    """A line of a file, counted from 1; 0 for the file as a whole."""

    file: str
    line: int


NOWHERE = Place("", 0)


class Run(msgspec.Struct):
    """Numbers without a gap; `place` is that of the first."""

    first: int
    last: int
    place: Place


class SeenLines:
    """Takes lines in any order. An undamaged log, read in either direction, makes one run a writer."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Run]] = {}  # of each writer, in order; only to be read

    def is_new(self, writer: str | None, seq: int | None, place: Place = NOWHERE) -> bool:
        """Note a line; say whether it is the first with this number. Lines without a number are always new."""
        if writer is None or seq is None:
            return True
        runs = self.runs.setdefault(writer, [])
        index = bisect_right(runs, seq, key=lambda run: run.first)
        before = runs[index - 1] if index else None
        after = runs[index] if index < len(runs) else None
        if before is not None and seq <= before.last:
            return False
        if before is not None and before.last == seq - 1:
            before.last = seq
            if after is not None and after.first == seq + 1:
                before.last = after.last
                del runs[index]
        elif after is not None and after.first == seq + 1:
            after.first, after.place = seq, place
        else:
            runs.insert(index, Run(seq, seq, place))
        return True

    def skip_to(self, writer: str, seq: int) -> None:
        """Take every line of `writer` up to this number as seen, if none of them was noted yet."""
        self.runs.setdefault(writer, [Run(0, seq, NOWHERE)])
