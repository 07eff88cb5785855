"""Which numbers of each writer have been seen, which are missing, and where that shows. Pure.

Memory grows with the gaps, not with the lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

import msgspec

__all__ = ["LineNumbers", "Missing", "NumberRange", "Place", "SeenLines", "ranges_of", "without"]

NumberRange = tuple[str, int, int]  # a writer, and its numbers from the first to the last


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


class Missing(msgspec.Struct, frozen=True):
    """Numbers that no line has. `place` is the line before which they are missing."""

    writer: str
    first: int
    last: int
    place: Place


class LineNumbers(SeenLines):
    """Takes lines in any order; knows which numbers there must have been."""

    def __init__(self) -> None:
        super().__init__()
        self._proven: dict[str, list[Run]] = {}

    def prove(self, writer: str, first: int, last: int, place: Place) -> None:
        """Note that lines with these numbers were once written, wherever they are now."""
        self._proven.setdefault(writer, []).append(Run(first, last, place))

    def proven(self, missing: Missing) -> Iterator[Missing]:
        """Yield what of `missing` is known to have been written."""
        for run in self._proven.get(missing.writer, ()):
            first, last = max(missing.first, run.first), min(missing.last, run.last)
            if first <= last:
                yield Missing(missing.writer, first, last, run.place)

    def missing(self) -> Iterator[Missing]:
        """Yield the numbers below the highest of each writer that no line has had."""
        for writer, runs in self.runs.items():
            last = 0
            for run in runs:
                if run.first > last + 1:
                    yield Missing(writer, last + 1, run.first - 1, run.place)
                last = run.last
        for writer, proven in self._proven.items():
            known = self.runs.get(writer)
            last = known[-1].last if known else min(run.first for run in proven) - 1
            for run in sorted(proven, key=lambda run: run.last):
                if run.last > last:
                    yield Missing(writer, last + 1, run.last, run.place)
                    last = run.last


def ranges_of(numbers: Iterable[tuple[str, int]]) -> list[NumberRange]:
    """Return pairs of writer and number as few ranges, sorted."""
    ranges: list[NumberRange] = []
    for writer, seq in sorted(set(numbers)):
        if ranges and ranges[-1][0] == writer and ranges[-1][2] == seq - 1:
            ranges[-1] = (writer, ranges[-1][1], seq)
        else:
            ranges.append((writer, seq, seq))
    return ranges


def without(first: int, last: int, taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what is left of the numbers `first` to `last` when the ranges `taken` are gone."""
    left = []
    for low, high in sorted(taken):
        if high < first or low > last:
            continue
        if low > first:
            left.append((first, low - 1))
        first = high + 1
    return [*left, (first, last)] if first <= last else left
