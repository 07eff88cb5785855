"""What stays of a damaged part, line by line, and what goes aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from arawn.interactions.files import DayFile
from arawn.interactions.line_check import CheckedLine, NewerLine, check_line
from arawn.interactions.placing import Placing
from arawn.interactions.raw_lines import readable_lines
from arawn.interactions.record import GapLine, MarkLine
from arawn.interactions.salvage import whole_lines_in

__all__ = ["Piece", "sort_out"]

Piece = bytes | tuple[int, int]  # a whole line that stays, or the place of bytes that go aside


def sort_out(path: Path, file: DayFile) -> Iterator[Piece]:
    """Yield the lines of a part that stay, whole, and the places of all other bytes, in order.

    A line of a newer Arawn stays as it is.

    Of a compressed part the places are offsets in its text, and those that cannot be decoded are passed over.

    Raises:
        OSError: The file cannot be read.
    """
    placing, known = Placing(file), cache(partial(_writers_of_whole_lines, path))
    end = 0
    for offset, line in readable_lines(path):
        if offset > end and not file.compressed:  # an overlong line shows only its beginning
            yield end, offset
        yield from _sorted_line(offset, line, placing, known)
        end = offset + len(line)
    if not file.compressed and (size := path.stat().st_size) > end:
        yield end, size


def _sorted_line(offset: int, line: bytes, placing: Placing, known: Callable[[], frozenset[str]]) -> Iterator[Piece]:
    checked = check_line(line)
    if isinstance(checked, NewerLine):
        yield line
        return
    if not isinstance(checked, str):
        yield line if placing.misfit(checked) is None else (offset, offset + len(line))
        return
    end = 0
    for first, last, salvaged in whole_lines_in(line):
        if _is_credible(salvaged, known) and placing.misfit(salvaged) is None:
            if first > end:
                yield offset + end, offset + first
            yield line[first:last] + b"\n"
            end = last
    if line[end:] not in (b"", b"\n"):
        yield offset + end, offset + len(line)


def _is_credible(salvaged: CheckedLine, known: Callable[[], frozenset[str]]) -> bool:
    """Say whether a line found in damaged bytes is to be believed: one that declares losses, of a known writer only."""
    return not isinstance(salvaged.line, MarkLine | GapLine) or salvaged.writer in known()


def _writers_of_whole_lines(path: Path) -> frozenset[str]:
    lines = (check_line(line) for _, line in readable_lines(path))
    return frozenset(line.writer for line in lines if isinstance(line, CheckedLine))
