"""What a check of the log has found, weighed against what the log itself declares. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from arawn.interactions.counted import counted
from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.line_check import CheckedLine, NewerLine
from arawn.interactions.line_numbers import LineNumbers, Missing, NumberRange, Place, without
from arawn.interactions.manifest import SeqSpan
from arawn.interactions.record import GapLine, MarkLine

__all__ = ["Declared", "Findings", "Problem", "ProblemKind", "Report"]

ProblemKind = Literal["damaged", "lost", "gone", "twin", "manifest", "name", "mode", "unreadable", "newer"]

_UNMENDED = ("name", "unreadable", "newer")  # what a person has to see to
_NAMED_PER_FILE = 1_000
_MOST_NUMBERS = 1 << 40  # no writer lives to write more lines into one part


class Problem(msgspec.Struct, frozen=True):
    """Something that is wrong, at a line of a file counted from 1; 0 for the file as a whole.

    `lines` is how many lines, from that one on, have it.
    """

    file: str
    line: int
    kind: ProblemKind
    what: str
    lines: int = 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        if self.lines > 1:
            place += f" to {self.line + self.lines - 1}, {self.lines:,} lines"
        return f"{place}: {self.what}"

    @property
    def is_mendable(self) -> bool:
        """Whether `repair` mends it, or declares it."""
        return self.kind not in _UNMENDED

    def with_next(self, file: str, line: int, kind: ProblemKind, what: str) -> Problem | None:
        """Return the problem with the line after it, which has the same; None if it has another one."""
        follows = (file, line, kind, what) == (self.file, self.line + self.lines, self.kind, self.what)
        return msgspec.structs.replace(self, lines=self.lines + 1) if self.line and follows else None


class Declared(msgspec.Struct, frozen=True):
    """Lines that are gone, as a line of the log says: how many, and why."""

    file: str
    line: int
    count: int
    why: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a log. `doubles` are lines written twice after a fault of the disk: readers drop the second.

    Where a file cannot be read, `missing` is empty: nobody can tell what is lost.
    """

    clean: bool
    files: int
    lines: int
    size: int
    kinds: dict[str, int]
    doubles: int
    kept_aside: int
    problems: tuple[Problem, ...]
    missing: tuple[Missing, ...]
    declared: tuple[Declared, ...]
    notes: tuple[str, ...]


class _Detail(msgspec.Struct):
    """The detail of a mark, as far as it says what was there once and is not any more.

    Attributes:
        missing, gone: Of `repair` and `removal`: numbers without a line; parts that are gone as a whole.
        removed: Of `retention`: names of files.
        file, lines, error: Of `compaction`: the part, and how many lines it had; or why it stays as it is.
    """

    missing: list[NumberRange] = []
    gone: list[str] = []
    removed: list[str] = []
    file: str = ""
    lines: int = 0
    error: str | None = None


class Findings:
    """Collects; bounded, whatever the damage: past a thousand of a kind in a file, those of lines only count."""

    def __init__(self) -> None:
        self.size = 0
        self.kept_aside = 0
        self._numbers = LineNumbers()
        self._kinds: Counter[str] = Counter()
        self._files: set[str] = set()
        self._doubles = 0
        self._problems: list[Problem] = []
        self._per_file: Counter[tuple[str, ProblemKind]] = Counter()
        self._notes: list[str] = []
        self._declared: list[Declared] = []
        self._gone: dict[str, list[tuple[int, int]]] = {}
        self._gaps: dict[tuple[str, int], GapLine] = {}
        self._retention = False
        self._compressed: dict[DayFile, tuple[Place, int]] = {}  # what says so, and how many lines it had
        self._accounted: set[DayFile] = set()  # parts that retention removed, or that `repair` found gone
        self._unread: list[str] = []

    def note(self, text: str) -> None:
        """Keep what is worth saying and not wrong."""
        self._notes.append(text)

    def add(self, file: str, line: int, kind: ProblemKind, what: str) -> None:
        """Keep a problem; a line that has the same as the one before it is added to that."""
        longer = self._problems[-1].with_next(file, line, kind, what) if self._problems else None
        if longer is not None:
            self._problems[-1] = longer
            return
        self._per_file[file, kind] += 1
        if not line or self._per_file[file, kind] <= _NAMED_PER_FILE:
            self._problems.append(Problem(file, line, kind, what))

    def add_unreadable(self, file: str, what: str) -> None:
        """Keep that a file cannot be read: every line that is missing may stand in it."""
        self.add(file, 0, "unreadable", what)
        self._unread.append(file)

    def take_removed(self, names: Sequence[str]) -> None:
        """Take into account that retention is removing these files, as its note says."""
        self._retention = True
        self._account(names)
        self.note(f"retention was removing {counted(len(names), 'file')} when its process died; the next start ends it")

    def miss_parts(self, known: Container[DayFile]) -> None:
        """Name the parts that a mark says were compressed, and that are neither `known` nor accounted for."""
        if self._unread:  # what accounts for them may stand there
            return
        for part, (at, lines) in self._compressed.items():
            if part not in known and part not in self._accounted:
                what = f"it is gone; {at.file}:{at.line} says that it was compressed, with {counted(lines, 'line')}"
                self.add(part.sealed.name, 0, "gone", what)

    def take(self, checked: CheckedLine, place: Place) -> None:
        """Take a whole line into account."""
        line = checked.line
        self._files.add(place.file)
        if not self._numbers.is_new(checked.writer, checked.seq, place):
            self._doubles += 1
            return
        self._kinds[str(line.__struct_config__.tag)] += 1
        if isinstance(line, GapLine):
            self._gaps[checked.writer, checked.seq] = line
            self._declared.append(Declared(place.file, place.line, line.count, line.reason))
        elif isinstance(line, MarkLine):
            self._take_mark(line, place)

    def take_newer(self, newer: NewerLine, place: Place) -> None:
        """Take into account a line that only a newer Arawn can read; without a number it may be any that is missing."""
        self._files.add(place.file)
        what = f"written by a newer Arawn ({newer.why}), which can read it; `repair` leaves it as it is"
        if newer.writer is not None and newer.seq is not None:
            self._numbers.is_new(newer.writer, newer.seq, place)
            self.add(place.file, place.line, "newer", what)
        else:
            self.add(place.file, place.line, "unreadable", what)
            self._unread.append(place.file)

    def prove(self, file: str, writers: Mapping[str, SeqSpan]) -> None:
        """Take into account which numbers once stood in a sealed `file`, as its manifest says."""
        for writer, span in writers.items():
            if 0 < span.first <= span.last < span.first + _MOST_NUMBERS:
                self._numbers.prove(writer, span.first, span.last, Place(file, 0))

    def _take_mark(self, mark: MarkLine, place: Place) -> None:
        if mark.event == "retention":
            self._retention = True
        if mark.event not in ("repair", "removal", "retention", "compaction"):
            return
        try:
            detail = msgspec.convert(mark.detail, _Detail)
        except msgspec.ValidationError as error:
            self.add(place.file, place.line, "damaged", f"its detail cannot be read: {error}")
            return
        part = parse_name(detail.file)
        if part is not None and mark.event == "compaction" and detail.error is None:
            self._compressed[part.plain] = place, detail.lines
        self._account(detail.removed + detail.gone)
        for name in detail.gone:
            self.note(f"{name}: gone as a whole, as {place.file}:{place.line} declares")
        self._take_missing(detail.missing, mark, place)

    def _account(self, names: Sequence[str]) -> None:
        self._accounted.update(part.plain for part in map(parse_name, names) if part)

    def _take_missing(self, gone: list[NumberRange], mark: MarkLine, place: Place) -> None:
        for writer, first, last in gone:
            self._gone.setdefault(writer, []).append((first, last))
        total = sum(last - first + 1 for _, first, last in gone)
        why = "removed with `rm`" if mark.event == "removal" else "found lost by `repair`"
        if total:
            self._declared.append(Declared(place.file, place.line, total, why))

    def report(self, oldest_day: str) -> Report:
        """Return what was found; `oldest_day` is that of the oldest file."""
        missing = tuple(self._undeclared(oldest_day))
        for gap in missing:
            self.add(gap.place.file, gap.place.line, "unreadable" if self._unread else "lost", self._loss(gap))
        for (file, kind), total in self._per_file.items():
            if total > _NAMED_PER_FILE:
                what = f"not named: {counted(total - _NAMED_PER_FILE, 'more problem')} in this file"
                self._problems.append(Problem(file, 0, kind, what))
        return Report(
            clean=not self._problems,
            files=len(self._files),
            lines=self._kinds.total(),
            size=self.size,
            kinds=dict(sorted(self._kinds.items())),
            doubles=self._doubles,
            kept_aside=self.kept_aside,
            problems=tuple(sorted(self._problems, key=lambda problem: (problem.file, problem.line))),
            missing=() if self._unread else missing,
            declared=tuple(self._declared),
            notes=tuple(self._notes),
        )

    def _undeclared(self, oldest_day: str) -> Iterator[Missing]:
        for found in self._numbers.missing():
            if found.first == 1 and found.place.line and self._retention and oldest_day in found.place.file:
                # the days before this one are gone, as a mark says; but not one whose manifest is there still
                for proven in self._numbers.proven(found):
                    yield from self._unexplained(proven)
                continue
            yield from self._unexplained(found)

    def _unexplained(self, found: Missing) -> Iterator[Missing]:
        for first, last in without(found.first, found.last, self._gone.get(found.writer, [])):
            gap = self._gaps.get((found.writer, last + 1))
            if gap is None or gap.count < last - first + 1:
                yield Missing(found.writer, first, last, found.place)

    def _loss(self, gap: Missing) -> str:
        total = gap.last - gap.first + 1
        numbers = f"number {gap.first}" if total == 1 else f"numbers {gap.first} to {gap.last}"
        lines = "1 line is" if total == 1 else f"{total} lines are"
        where = "before this one" if gap.place.line else "that stood here, as the manifest says"
        told = f"{where}: {numbers} of writer {gap.writer}"
        if not self._unread:
            return f"{lines} lost {told}"
        more = f" or {counted(len(self._unread) - 1, 'other file')}" if self._unread[1:] else ""
        return f"{lines} missing {told}; in {self._unread[0]}{more} perhaps, which cannot be read"
