"""What the manifest of a sealed part has to say, measured from the part as it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

from arawn.interactions.files import DayFile
from arawn.interactions.manifest import Manifest, Tally, build_manifest

__all__ = ["SealMeasure"]


class SealMeasure:
    """Takes the lines of one part as they pass."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._text = hashlib.sha256()
        self._size = 0

    def add(self, line: bytes) -> None:
        """Count one line."""
        self._tally.add(line)
        self._text.update(line)
        self._size += len(line)

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
        return build_manifest(
            file,
            self._tally,
            text_bytes=self._size,
            text_sha256=self._text.hexdigest(),
            stored_bytes=stored_bytes,
            stored_sha256=stored_sha256,
        )
