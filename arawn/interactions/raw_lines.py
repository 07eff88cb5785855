"""Whole lines of one file, from either end, in constant memory for lines of any length."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["RawLine", "backward_lines", "forward_lines"]

RawLine = tuple[int, bytes]  # the offset of a line in its file, and the line with its newline if it has one

_BLOCK = 1 << 18


def forward_lines(path: Path, start: int = 0) -> Iterator[RawLine]:
    """Yield the lines from offset `start` on, a last one without newline included.

    Raises:
        OSError: The file cannot be read.
    """
    offset = start
    with path.open("rb", buffering=_BLOCK) as file:
        file.seek(start)
        for line in file:
            yield offset, line
            offset += len(line)


def backward_lines(path: Path, block: int = _BLOCK) -> Iterator[RawLine]:
    """Yield the lines from the last to the first; a last one without newline comes first. Reads `block` bytes at once.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        rest: list[bytes] = []  # pieces of the line that began before `end`, last piece first
        while end > 0:
            start = max(0, end - block)
            pieces = _read(file, start, end).split(b"\n")
            end_of_block = end
            for piece in reversed(pieces[1:]):  # each of these begins a line inside this block
                line = piece + b"".join(reversed(rest))
                begins = end_of_block - len(piece)
                if line:
                    yield begins, line
                rest = [b"\n"]
                end_of_block = begins - 1
            rest.append(pieces[0])
            end = start
        line = b"".join(reversed(rest))
        if line:
            yield 0, line


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    parts = []
    while start < end and (part := file.read(end - start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)
