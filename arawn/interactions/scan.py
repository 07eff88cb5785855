"""Whole lines of a log directory, file after file; what cannot be read is named and passed over."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import msgspec

from arawn.interactions.counted import counted
from arawn.interactions.files import DayFile, day_after, day_files, parse_name
from arawn.interactions.filters import Filters
from arawn.interactions.needle_lines import FindIn, needle_lines
from arawn.interactions.raw_lines import DamagedFile, RawLine, backward_lines, forward_lines, readable_lines
from arawn.interactions.twins import is_shorter, twins

__all__ = ["Damage", "LogScan", "OnDamage", "OnProgress", "Progress", "line_number", "require_regular", "wanted_files"]

_NAMED = 10  # damaged lines of one file that are named one by one
_PROGRESS_BYTES = 1 << 24
_BOTH = "both are read, each line is shown once; `arawn interactions repair` makes one whole file of them"


class Damage(msgspec.Struct, frozen=True):
    """A line that was skipped: where it stands (counted from 1; 0 for a whole file) and why.

    `skipped` is False where nothing is left out, and something is wrong all the same.
    """

    file: str
    line: int
    why: str
    skipped: bool = True


class Progress(msgspec.Struct, frozen=True):
    """How far a long read has come: the `number`th of `files` files, and the bytes of text read of it."""

    file: str
    number: int
    files: int
    position: int


OnDamage = Callable[[Damage], None]
OnProgress = Callable[[Progress], None]
Lines = Callable[..., Iterable[RawLine]]  # `forward_lines` or `backward_lines`: the path, and where to begin


class LogScan:
    """Reads the lines of one log directory, once, in either direction; takes no lock.

    A last line without its newline is a line being written and not shown. A file that went away after it was listed
    was removed by intent, and is no damage. Everything else that cannot be read is told to `on_damage` and skipped.
    """

    def __init__(self, directory: Path, *, on_damage: OnDamage, on_progress: OnProgress | None = None) -> None:
        self._directory = directory
        self._on_damage = on_damage
        self._on_progress = on_progress
        self._damages = 0
        self._come = Progress("", 0, 0, 0)  # what was told last
        self.unreadable: set[str] = set()  # names of files that were not read whole

    def forwards(self, files: Sequence[DayFile]) -> Iterator[tuple[Path, RawLine]]:
        """Yield every whole line, the first written first."""
        return self._lines(files, forward_lines)

    def backwards(self, files: Sequence[DayFile]) -> Iterator[tuple[Path, RawLine]]:
        """Yield every whole line, the last written first."""
        return self._lines(files[::-1], backward_lines)

    def holding(self, files: Sequence[DayFile], find_in: FindIn, width: int) -> Iterator[tuple[Path, RawLine]]:
        """Yield the whole lines in which `find_in` stops, the first written first; see `needle_lines`."""
        passed = 0  # bytes in which nothing was found, since it was last told how far this has come

        def look(data: bytes | bytearray, start: int, end: int) -> int:
            nonlocal passed
            found = find_in(data, start, end)
            passed += end - start if found < 0 else 0
            if passed >= _PROGRESS_BYTES:  # of a file that holds nothing, no line comes for a long time
                come, passed = self._come.position + passed, 0
                self._tell(msgspec.structs.replace(self._come, position=come))
            return found

        def lines_of(path: Path, start: int = 0) -> Iterator[RawLine]:
            return needle_lines(path, start, find_in=look, width=width)

        return self._lines(files, lines_of)

    def report(self, path: Path, offset: int, why: str) -> None:
        """Name the line at `offset` of the file being read; past the tenth of a file, lines are only counted."""
        self._damages += 1
        if self._damages <= _NAMED:
            self._on_damage(Damage(path.name, line_number(path, offset), why))

    def _lines(self, files: Sequence[DayFile], lines_of: Lines) -> Iterator[tuple[Path, RawLine]]:
        for number, file in enumerate(files, 1):
            path = self._directory / file.name
            self._damages = 0
            told = 0
            if file.compressed and file.plain in files:
                self._on_damage(Damage(file.plain.name, 0, f"it lacks lines of {file.name}; {_BOTH}", skipped=False))
            self._tell(Progress(file.name, number, len(files), 0))
            for raw in self._readable(path, lines_of):
                if abs(raw[0] - told) >= _PROGRESS_BYTES:
                    told = raw[0]
                    self._tell(Progress(file.name, number, len(files), told))
                if raw[1].endswith(b"\n"):
                    yield path, raw
                elif not _is_being_written(path, raw):
                    self.unreadable.add(path.name)
                    self.report(path, raw[0], "the line has no end")
                del raw  # a line can be large, and the next one is on its way
            if self._damages > _NAMED:
                more = counted(self._damages - _NAMED, "more line")
                self._on_damage(Damage(path.name, 0, f"{more} that cannot be read"))

    def _readable(self, path: Path, lines_of: Lines) -> Iterator[RawLine]:
        """Yield the lines of a file as far as it can be read, around what is damaged in it."""
        places: tuple[int, ...] = ()
        while True:
            try:
                require_regular(path)
                yield from lines_of(path, *places)
            except FileNotFoundError:
                if self._directory.is_dir():
                    return
                raise  # the whole log went away, which nobody meant
            except DamagedFile as error:
                self._refuse(path, error)
                if error.resume_at is None:
                    return
                places = (error.offset if lines_of is backward_lines else error.resume_at,)
            except OSError as error:
                self._refuse(path, error)
                return
            else:
                return

    def _refuse(self, path: Path, error: OSError) -> None:
        self.unreadable.add(path.name)
        self._on_damage(Damage(path.name, 0, error.strerror or str(error)))

    def _tell(self, progress: Progress) -> None:
        self._come = progress
        if self._on_progress is not None:
            self._on_progress(progress)


def wanted_files(directory: Path, wanted: Filters) -> list[DayFile]:
    """Return the files that can hold what is wanted, oldest first: a call is in the file of its day or a later one.

    Where a plain file is shorter than its compressed form beside it, both are there.
    Later by more than a day only where a clock was wrong once: a file of a day to come takes every call until that day,
    and days without a file stand before it for ever.

    Raises:
        OSError: The directory cannot be read.
    """
    first = wanted.start[:10] if wanted.start else ""
    last = day_after(wanted.end[:10]) if wanted.end else "9"  # a call over midnight stands there
    today = datetime.now(UTC).date().isoformat()
    names = [path.name for path in directory.iterdir()]
    lacking = [file.sealed for file in twins(names) if is_shorter(directory, file)]
    files = sorted([*day_files(names), *lacking])
    following = min((file.day for file in files if file.day > last), default="")
    if wanted.end and following > day_after(last):  # days without a file stand before it
        last = following
    return [file for file in files if first <= file.day and (file.day <= last or file.day > today)]


def line_number(path: Path, offset: int) -> int:
    """Return the number, counted from 1, of the line that begins at `offset`; what cannot be decoded has no lines.

    Raises:
        OSError: The file cannot be read.
    """
    return 1 + sum(1 for _ in takewhile(lambda raw: raw[0] < offset, readable_lines(path)))


def require_regular(path: Path) -> None:
    """Refuse what is no file, such as a link, or a pipe on which a reader would wait for ever; not a missing one.

    Raises:
        OSError: It is something else.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, "it is a symbolic link, which no reader follows", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _is_being_written(path: Path, raw: RawLine) -> bool:
    """Say whether a writer was at work on this line: the file has grown, or went away, or is the newest part."""
    offset, line = raw
    try:
        grown = path.stat().st_size > offset + len(line)
    except FileNotFoundError:
        return True
    files = day_files(other.name for other in path.parent.iterdir())
    return (grown and path.suffix == ".jsonl") or files[-1:] == [parse_name(path.name)]
