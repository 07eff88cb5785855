"""What a compressed part holds, in a small file beside it: numbers, counts, sizes, hashes."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.line_check import newer_line
from arawn.interactions.record import InteractionHead
from arawn.interactions.whole_file import write_whole

__all__ = ["Manifest", "SeqSpan", "Tally", "build_manifest", "manifest_name", "read_manifest", "write_manifest"]

Size = Annotated[int, Meta(ge=0)]


class SeqSpan(msgspec.Struct, frozen=True):
    """The first and the last number of one writer, as they stand in the file, and how many lines have one."""

    first: int
    last: int
    lines: Size


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was in a part when it was compressed.

    Attributes:
        v: Version of this format.
        file, day, part: The compressed file, and which part of which day it is.
        writers: The numbers of each writer's lines.
        kinds, statuses: How many lines of each kind; how many interactions of each status.
        lines, damaged: All lines; those among them that could not be read, a last one without newline included.
        bytes, sha256: Of the text.
        compressed_bytes, compressed_sha256: Of the file.
    """

    v: int = 1
    file: str
    day: str
    part: int
    writers: dict[str, SeqSpan]
    kinds: dict[str, Size]
    statuses: dict[str, Size]
    lines: Size
    damaged: Size
    bytes: Size
    sha256: str
    compressed_bytes: Size
    compressed_sha256: str


class Tally:
    """Counts lines as they pass."""

    def __init__(self) -> None:
        self.lines = 0
        self.damaged = 0
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.writers: dict[str, SeqSpan] = {}

    def add(self, line: bytes) -> None:
        """Count one line, readable or not."""
        self.lines += 1
        try:
            head = decode_head(line)
        except UNREADABLE:
            self._add_unreadable(line)
            return
        if not line.endswith(b"\n"):
            self.damaged += 1
            return
        self.kinds[head.__struct_config__.tag] += 1  # type: ignore[index]
        if isinstance(head, InteractionHead):
            self.statuses[head.status] += 1
        if head.writer is not None and head.seq is not None:
            self._number(head.writer, head.seq)

    def _add_unreadable(self, line: bytes) -> None:
        """Count a line of a newer Arawn as that one does: both say the same of a file."""
        newer = newer_line(line)
        if newer is None:
            self.damaged += 1
            return
        self.kinds[newer.kind] += 1
        if newer.writer is not None and newer.seq is not None:
            self._number(newer.writer, newer.seq)

    def _number(self, writer: str, seq: int) -> None:
        known = self.writers.get(writer)
        first, last, lines = (known.first, known.last, known.lines) if known else (seq, seq, 0)
        self.writers[writer] = SeqSpan(min(first, seq), max(last, seq), lines + 1)


def build_manifest(
    file: DayFile, tally: Tally, *, text_bytes: int, text_sha256: str, stored_bytes: int, stored_sha256: str
) -> Manifest:
    """Put together what is known of a compressed part.

    Args:
        file: The compressed part.
        tally: Its lines, counted.
        text_bytes, text_sha256: Of what it decodes to.
        stored_bytes, stored_sha256: Of the file itself.
    """
    return Manifest(
        file=file.name,
        day=file.day,
        part=file.part,
        writers=tally.writers,
        kinds=dict(tally.kinds),
        statuses=dict(tally.statuses),
        lines=tally.lines,
        damaged=tally.damaged,
        bytes=text_bytes,
        sha256=text_sha256,
        compressed_bytes=stored_bytes,
        compressed_sha256=stored_sha256,
    )


def manifest_name(file: DayFile) -> str:
    """Return the name of the manifest that stands beside the compressed `file`."""
    return f"{file.stem}.manifest.json"


def read_manifest(path: Path) -> Manifest:
    """Return the manifest in a file.

    Raises:
        OSError: It cannot be read, or (EIO) holds no manifest.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except UNREADABLE as error:
        raise OSError(errno.EIO, f"the manifest is damaged: {error}", str(path)) from error


def write_manifest(filesystem: Filesystem, directory: Path, manifest: Manifest) -> None:
    """Write a manifest to its place beside the file, whole or not at all.

    Raises:
        OSError: Anything that the system refused; what stood there is as it was.
    """
    name = manifest_name(DayFile(manifest.day, manifest.part, compressed=True))
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    write_whole(filesystem, directory / name, content + b"\n")
