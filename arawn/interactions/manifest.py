"""What a compressed part holds, in a small file beside it: numbers, counts, sizes, hashes; and how it is measured."""

from __future__ import annotations

import errno
import hashlib
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

__all__ = ["Manifest", "SealMeasure", "SeqSpan", "manifest_name", "read_manifest", "write_manifest"]

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


class SealMeasure:
    """Takes the lines of one part as they pass."""

    def __init__(self) -> None:
        self._lines = 0
        self._damaged = 0
        self._kinds: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._writers: dict[str, SeqSpan] = {}
        self._text = hashlib.sha256()
        self._size = 0

    def add(self, line: bytes) -> None:
        """Count one line, readable or not."""
        self._lines += 1
        self._text.update(line)
        self._size += len(line)
        try:
            head = decode_head(line)
        except UNREADABLE:
            self._add_unreadable(line)
            return
        if not line.endswith(b"\n"):
            self._damaged += 1
            return
        self._kinds[head.__struct_config__.tag] += 1  # type: ignore[index]
        if isinstance(head, InteractionHead):
            self._statuses[head.status] += 1
        self._number(head.writer, head.seq)

    def _add_unreadable(self, line: bytes) -> None:
        """Count a line of a newer Arawn as that one does: both say the same of a file."""
        newer = newer_line(line)
        if newer is None:
            self._damaged += 1
            return
        self._kinds[newer.kind] += 1
        self._number(newer.writer, newer.seq)

    def _number(self, writer: str | None, seq: int | None) -> None:
        if writer is not None and seq is not None:
            known = self._writers.get(writer, SeqSpan(seq, seq, 0))
            self._writers[writer] = SeqSpan(min(known.first, seq), max(known.last, seq), known.lines + 1)

    def manifest(self, path: Path, file: DayFile) -> Manifest:
        """Return the manifest of the part at `path`, all of whose lines were added.

        Raises:
            OSError: The file cannot be read.
        """
        with path.open("rb") as stored:
            sha256 = hashlib.file_digest(stored, "sha256").hexdigest()
            size = stored.tell()
        return self.sealed(file, stored_bytes=size, stored_sha256=sha256)

    def sealed(self, file: DayFile, *, stored_bytes: int, stored_sha256: str) -> Manifest:
        """Return the manifest of a part of which length and hash are known."""
        return Manifest(
            file=file.name,
            day=file.day,
            part=file.part,
            writers=self._writers,
            kinds=dict(self._kinds),
            statuses=dict(self._statuses),
            lines=self._lines,
            damaged=self._damaged,
            bytes=self._size,
            sha256=self._text.hexdigest(),
            compressed_bytes=stored_bytes,
            compressed_sha256=stored_sha256,
        )
