"""What an export reads: the files of the log as they stood when it began, by hash."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import msgspec

from arawn.interactions.files import DayFile
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import FeedbackLine, InteractionHead
from arawn.interactions.scan import wanted_files

__all__ = ["Source", "Survey", "survey"]

_NUMBERED = re.compile(rb'\{"kind":"interaction","v":\d+,"id":"[^"]*","writer":"([^"]*)","seq":(\d{1,18}),')
_LONGEST_FEEDBACK = 1 << 20


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
    name = msgspec.structs.replace(file, compressed=False).name
    try:
        for _, line in forward_lines(path):
            if not line.endswith(b"\n"):  # being written
                break
            digest.update(line)
            size += len(line)
            _note_number(line, numbers)
            if feedback is not None:
                _note_feedback(line, feedback)
    except OSError:  # the reader names it; here it is told by the missing hash
        return Source(name, size, None)
    return Source(name, size, digest.hexdigest())


def _note_number(line: bytes, numbers: dict[str, int]) -> None:
    if (found := _NUMBERED.match(line)) is not None:
        writer = found[1].decode(errors="replace")
        numbers[writer] = max(numbers.get(writer, 0), int(found[2]))


def _note_feedback(line: bytes, feedback: dict[str, FeedbackLine]) -> None:
    if len(line) > _LONGEST_FEEDBACK or b'"feedback"' not in line:
        return
    try:
        head = decode_head(line)
    except UNREADABLE:  # the reader names it
        return
    if isinstance(head, FeedbackLine):
        feedback[head.interaction_id] = head
