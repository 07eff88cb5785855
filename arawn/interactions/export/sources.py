"""What an export reads: the files of the log as they stood when it began, by hash, and the lines of calls in them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from arawn.interactions.entry import Entry
from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.filters import Filters
from arawn.interactions.heads import head_or_none
from arawn.interactions.raw_lines import SHOWN_OF_OVERLONG, DamagedFile, RawLine, lines_and_damage
from arawn.interactions.record import FeedbackLine, InteractionHead, InteractionRecord
from arawn.interactions.scan import LogScan, require_regular, wanted_files

__all__ = ["BodyReader", "Source", "Survey", "survey"]


class Source(msgspec.Struct, frozen=True):
    """One part of one day: its name without `.zst`, and length and SHA-256 of its text; None where it is damaged."""

    file: str
    bytes: int
    sha256: str | None


class Survey(msgspec.Struct, frozen=True):
    """The log as it stood; what a running daemon writes later is no part of it."""

    sources: tuple[Source, ...]
    numbers: dict[str, int]  # writer -> its last number
    feedback: dict[str, FeedbackLine]  # interaction -> its last judgement

    def has(self, head: InteractionHead) -> bool:
        """Say whether a call was there; one without a number is taken to be."""
        return head.writer is None or head.seq is None or head.seq <= self.numbers.get(head.writer, 0)

    def is_whole(self, name: str) -> bool:
        """Say whether all of a file was read, or nothing of it since it was not there yet."""
        plain = name.removesuffix(".zst")
        return not any(source.file == plain and source.sha256 is None for source in self.sources)


def survey(directory: Path, wanted: Filters, *, with_feedback: bool) -> Survey:
    """Read the files that can hold what is wanted once.

    Args:
        directory: The log directory.
        wanted: Its `start` and `end` choose the files.
        with_feedback: Collect judgements too, which can stand in any later file: then all of those are sources.

    Raises:
        OSError: The directory cannot be read.
    """
    numbers: dict[str, int] = {}
    feedback: dict[str, FeedbackLine] = {}
    files = wanted_files(directory, Filters(start=wanted.start) if with_feedback else wanted)
    judged = feedback if with_feedback else None
    sources = tuple(_read(directory / file.name, file, numbers, judged) for file in files)
    return Survey(sources, numbers, feedback)


def _read(path: Path, file: DayFile, numbers: dict[str, int], feedback: dict[str, FeedbackLine] | None) -> Source:
    digest = sha256()
    size = 0
    name = file.plain.name
    is_whole = True
    try:
        require_regular(path)
        for item in lines_and_damage(path):
            if isinstance(item, DamagedFile):
                is_whole = False
                continue
            line = item[1]
            if not line.endswith(b"\n"):
                if not file.compressed and len(line) < SHOWN_OF_OVERLONG:  # being written
                    break
                is_whole = False
                continue
            digest.update(line)
            size += len(line)
            _note(line, numbers, feedback)
    except OSError:  # the reader names it; here it is told by the missing hash
        is_whole = False
    return Source(name, size, digest.hexdigest() if is_whole else None)


def _note(line: bytes, numbers: dict[str, int], feedback: dict[str, FeedbackLine] | None) -> None:
    """Note what a line says; what cannot be read the reader names."""
    head = head_or_none(line)
    if isinstance(head, InteractionHead) and head.writer is not None and head.seq is not None:
        numbers[head.writer] = max(numbers.get(head.writer, 0), head.seq)
    elif isinstance(head, FeedbackLine) and feedback is not None:
        feedback[head.interaction_id] = head


class BodyReader:
    """Walks through each compressed file beside the reader that found the calls; a plain file is read in place.

    A plain file can be compressed at any moment: from then on it is walked through, too.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lines: Iterator[RawLine] = iter(())

    def record(self, entry: Entry) -> InteractionRecord:
        """Return everything about a call, tool results joined; errors as for `Entry.record`."""
        return entry.record(self.line(entry))

    def line(self, entry: Entry) -> bytes:
        """Return a call's line; errors as for `Entry.raw`."""
        if entry.path.suffix != ".zst" and entry.path.exists():
            return entry.raw()
        if entry.path != self._path:
            self._path, self._lines = entry.path, _lines(entry.path)
        for offset, line in self._lines:
            if offset >= entry.offset:
                return line if offset == entry.offset else entry.raw()
        return entry.raw()  # which says what has become of it


def _lines(path: Path) -> Iterator[RawLine]:
    file = parse_name(path.name)
    assert file is not None, "a reader opens nothing else"
    for _, raw in LogScan(path.parent, on_damage=lambda _: None).forwards([file]):  # its reader names damage
        yield raw
