"""Which numbers of each writer are missing, and the places where that shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from arawn.interactions.seen import Place, Run, SeenLines

__all__ = ["LineNumbers", "Missing", "NumberRange", "ranges_of", "without"]

NumberRange = tuple[str, int, int]  # a writer, and its numbers from the first to the last


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
