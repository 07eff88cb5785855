"""What stays of a damaged part, line by line, and what goes aside.

Whole lines are found inside damaged bytes, too: behind NULs, behind half a line, with a newline that was flipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from arawn.interactions.files import DayFile
from arawn.interactions.line_check import CheckedLine, NewerLine, Placing, check_line
from arawn.interactions.raw_lines import readable_lines
from arawn.interactions.record import GapLine, MarkLine

__all__ = ["sort_out", "whole_lines_in"]

Piece = bytes | tuple[int, int]  # a whole line that stays, or the place of bytes that go aside
Salvaged = tuple[int, int, CheckedLine]  # where a line begins and ends, without its newline, and what it says

_BEGINNING = b'{"kind":"'
_BEFORE_VALUES = (b":", b",", b"[")
_TRIES = 1_000  # in bodies that a caller wrote, any number of objects can look like the beginning of a line
_scan = json.JSONDecoder().raw_decode


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


def whole_lines_in(data: bytes) -> list[Salvaged]:
    """Return the whole lines that `data`, itself none, holds, in order.

    One that stands where a value inside another line can stand is none: the arguments of a tool call can be an object
    that looks like a line, and whoever chose them would write into the log.
    """
    text = data.decode("latin-1")  # a character a byte: only where values end is asked of it
    found: list[Salvaged] = []
    start = data.find(_BEGINNING)
    for _ in range(_TRIES):
        if start < 0:
            break
        end = start if data[start - 1 : start] in _BEFORE_VALUES else _end_of_value(text, start)
        checked = check_line(data[start:end] + b"\n")
        if isinstance(checked, CheckedLine):
            found.append((start, end, checked))
            start = end - 1
        start = data.find(_BEGINNING, start + 1)
    return found


def _end_of_value(text: str, start: int) -> int:
    """Return where the JSON value ends that begins at `start`; `start` itself when none does."""
    try:
        return _scan(text, start)[1]
    except (ValueError, RecursionError):
        return start
