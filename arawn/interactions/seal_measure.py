"""What the manifest of a sealed part has to say, measured from the part as it is."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from arawn.interactions.files import DayFile
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.line_check import newer_line
from arawn.interactions.manifest import Manifest, SeqSpan
from arawn.interactions.record import InteractionHead

__all__ = ["SealMeasure"]


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
