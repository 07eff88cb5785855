"""Moves the lines of files of days to come, which a clock that was ahead has made, to where they belong."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import date
from itertools import chain, takewhile
from pathlib import Path

import msgspec

from arawn.interactions.ahead import files_ahead
from arawn.interactions.files import DayFile, day_files, next_part
from arawn.interactions.filesystem import Filesystem, is_regular
from arawn.interactions.line_check import MOVED, CheckedLine, check_line
from arawn.interactions.mending import Mending, stretch
from arawn.interactions.pending import Numbering
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import MarkLine, timestamp_text

__all__ = ["MovedFile", "movable", "move_ahead"]


class MovedFile(msgspec.Struct, frozen=True):
    """A file of a day to come, and the parts into which its lines went."""

    file: str
    into: tuple[str, ...]


def movable(directory: Path, today: date) -> list[DayFile]:
    """Return the files of days after `today` that can be moved: none behind one that stays ahead.

    What is compressed, or is no file, which `verify` names, stays. To a clock that is behind, every log looks like this
    one: nothing in it tells which of the two it is, so `today` must come from somebody who knows.
    """
    system = Filesystem()
    ahead = files_ahead((path.name for path in directory.iterdir()), today)
    return list(takewhile(lambda file: not file.compressed and is_regular(system, directory / file.name), ahead))


def move_ahead(mending: Mending, today: date, file: DayFile) -> MovedFile:
    """Put the lines of a plain file ahead into new parts of the days that they are of, and remove it.

    Each part begins with a mark that says where its lines come from. A line of a day to come goes with those before it.
    A crash leaves lines in both places, which readers show once.

    Raises:
        OSError: Anything that the system refused; the file is there still.
    """
    path, made = mending.directory / file.name, list[str]()
    numbering = Numbering(f"{mending.writer.partition('-')[0]}-{secrets.token_hex(4)}")
    stretches = _stretches(path, _newest_before(mending.directory, file), today.isoformat())
    ends = [*(first for _, first in stretches[1:]), path.stat().st_size]
    try:
        for (day, first), end in zip(stretches, ends, strict=True):
            part = next_part(day_files(mending.filesystem.names(mending.directory)), day)
            mark = MarkLine(event="repair", detail={MOVED: file.name}, timestamp=timestamp_text(mending.clock()))
            lines = chain([numbering.line(mark).json], stretch(path, first, end))
            mending.replace(mending.directory / part.name, lines)
            made.append(part.name)
    except OSError:  # a full disk: copies would only keep it full, and be there once more after the next try
        with suppress(OSError):
            mending.remove(*(mending.directory / name for name in made))
        raise
    mending.remove(path)
    return MovedFile(file.name, tuple(made))


def _newest_before(directory: Path, file: DayFile) -> str:
    """Return the day of the file before this one, "" if there is none: no line moves to an earlier day."""
    return max(
        (other.day for other in day_files(path.name for path in directory.iterdir()) if other < file), default=""
    )


def _stretches(path: Path, newest: str, today: str) -> list[tuple[str, int]]:
    """Return which days the lines of a file belong to, and from which byte on; the days only grow."""
    found: list[tuple[str, int]] = []
    day = newest or min((own for _, line in forward_lines(path) if (own := _day(line)) and own <= today), default=today)
    for offset, line in forward_lines(path):
        if (own := _day(line)) is not None and own <= today:
            day = max(day, own)
        if not found or found[-1][0] != day:
            found.append((day, offset))
    return found


def _day(line: bytes) -> str | None:
    checked = check_line(line)
    return checked.line.timestamp[:10] if isinstance(checked, CheckedLine) else None
