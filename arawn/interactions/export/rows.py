"""What rows are written to: lines of JSON, in a file or on a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol

from arawn.interactions.encode import encode_line
from arawn.interactions.export.manifest import Output
from arawn.interactions.record import InteractionRecord

__all__ = ["LineRows", "Row", "RowWriter"]

Row = Mapping[str, Any] | InteractionRecord


class RowWriter(Protocol):
    """Where the rows of one export go, in order."""

    def write(self, row: Row) -> None:
        """Write one row.

        Raises:
            OSError: It cannot be written.
        """
        ...

    def finish(self) -> tuple[Output, ...]:
        """Write what is held back, and return the files."""
        ...


class LineRows:
    """Writes each row as one line of JSON; any value gives a valid line."""

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        """Set where lines go.

        Args:
            name: What the manifest calls the file.
            write: Takes all the bytes that it is given.
        """
        self._name = name
        self._write = write
        self._rows = 0
        self._bytes = 0
        self._digest = sha256()

    def write(self, row: Row) -> None:
        """Write one line; errors are those of the stream."""
        line = encode_line(row)
        self._write(line)
        self._digest.update(line)
        self._bytes += len(line)
        self._rows += 1

    def finish(self) -> tuple[Output, ...]:
        """Return the file."""
        return (Output(self._name, self._rows, self._bytes, self._digest.hexdigest()),)
