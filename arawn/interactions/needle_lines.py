"""The lines of a plain file in which a search stops, found block by block without taking the others apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from arawn.interactions.raw_lines import RawLine, forward_lines, read_lines

__all__ = ["FindIn", "needle_lines"]

_BLOCK = 1 << 18  # stays in the processor's cache while it is looked through

FindIn = Callable[[bytes | bytearray, int, int], int]
"""Says where in `data[start:end]` something is that may be what is looked for; -1 if nowhere."""


def needle_lines(path: Path, start: int, *, find_in: FindIn, width: int) -> Iterator[RawLine]:
    """Yield the lines from offset `start` on in which `find_in` stops, a last one without newline included.

    Args:
        path: The file; a compressed one is read line by line.
        start: Where a line begins.
        find_in: Looks for candidates.
        width: Bytes that a candidate has at most.

    Raises:
        OSError: As `forward_lines`.
    """
    try:
        file = None if path.suffix == ".zst" else path.open("rb", buffering=_BLOCK)
    except FileNotFoundError:  # perhaps compressed just now
        file = None
    if file is None:
        yield from ((at, line) for at, line in forward_lines(path, start) if find_in(line, 0, len(line)) >= 0)
        return
    with file:
        look = _Look(file.fileno(), start, find_in, width)
        while (begin := look.next_line()) is not None:
            file.seek(begin)
            yield from islice(read_lines(file, begin), 1)
            look.go_on(file.tell())


class _Look:
    """Goes through a file in blocks, each of which begins with the last `width` bytes of the one before."""

    def __init__(self, fd: int, start: int, find_in: FindIn, width: int) -> None:
        self._fd = fd
        self._find_in = find_in
        self._overlap = width
        self._buffer = bytearray(_BLOCK + width)
        self._view = memoryview(self._buffer)
        self._base = self._line = start  # offsets: of the buffer in the file, of the last line known to begin
        self._filled = self._looked = 0

    def next_line(self) -> int | None:
        """Return where the next line begins that holds a candidate; None at the end of the file."""
        while True:
            found = self._find_in(self._buffer, self._looked, self._filled)
            if found >= 0:
                self._note_lines(found)
                return self._line
            self._note_lines(self._filled)
            if not self._fill():
                return None

    def go_on(self, offset: int) -> None:
        """Look on from the line that begins at `offset`."""
        self._line = offset
        if offset <= self._base + self._filled:
            self._looked = offset - self._base
        else:
            self._base, self._filled, self._looked = offset, 0, 0

    def _note_lines(self, end: int) -> None:
        """Note the last line that begins in what was looked through."""
        newline = self._buffer.rfind(b"\n", self._looked, end)
        if newline >= 0:
            self._line = self._base + newline + 1

    def _fill(self) -> bool:
        """Read the next block; False at the end of the file."""
        kept = min(self._overlap, self._filled - self._looked)
        self._view[:kept] = bytes(self._view[self._filled - kept : self._filled])
        self._base += self._filled - kept
        read = os.preadv(self._fd, [self._view[kept:]], self._base + kept)  # whoever reads lines has its own place
        self._filled, self._looked = kept + read, 0
        return read > 0
