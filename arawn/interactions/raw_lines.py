"""Whole lines of one file, plain or compressed, from either end, in memory bounded by the longest line."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from arawn.interactions.sealed import BadFrame, Frame, ReadAt, load_frame, stream, table, whole_reads

__all__ = [
    "LONGEST_LINE",
    "SHOWN_OF_OVERLONG",
    "DamagedFile",
    "RawLine",
    "backward_lines",
    "forward_lines",
    "line_at",
    "lines_and_damage",
    "read_lines",
    "readable_lines",
    "split_lines",
]

RawLine = tuple[int, bytes]  # the offset of a line in its text, and the line with its newline if it has one

LONGEST_LINE = 512 << 20  # no line of a log is longer: of what is, only a beginning without newline is shown
SHOWN_OF_OVERLONG = 1 << 20
_BLOCK = 1 << 18


class DamagedFile(OSError):
    """A compressed file that cannot be decoded from `offset` on (in the text).

    `resume_at` is where the text can be read again: `forward_lines(path, resume_at)` and `backward_lines(path, offset)`
    go on around the damage. None when nothing behind it can be found.
    """

    def __init__(self, path: Path, why: str, offset: int, resume_at: int | None) -> None:
        super().__init__(errno.EIO, f"the file is damaged: {why}", str(path))
        self.offset = offset
        self.resume_at = resume_at


def forward_lines(path: Path, start: int = 0) -> Iterator[RawLine]:
    """Yield the lines from offset `start` on, a last one without newline included.

    Raises:
        DamagedFile: Compressed data cannot be decoded; the whole lines before it have been yielded.
        OSError: The file cannot be read.
    """
    with _opened(path) as (file, compressed):
        if not compressed:
            file.seek(start)
            yield from read_lines(file, start)
            return
        yield from split_lines(_text_from(file, start), start)


def lines_and_damage(path: Path, start: int = 0) -> Iterator[RawLine | DamagedFile]:
    """Yield the lines of a file, and in their place among them the stretches that cannot be decoded.

    Raises:
        OSError: The file cannot be read.
    """
    begin: int | None = start
    while begin is not None:
        try:
            yield from forward_lines(path, begin)
        except DamagedFile as damage:
            yield damage
            begin = damage.resume_at
        else:
            begin = None


def readable_lines(path: Path) -> Iterator[RawLine]:
    """Yield the lines of a file, and pass over what cannot be decoded; errors as for `lines_and_damage`."""
    return (item for item in lines_and_damage(path) if not isinstance(item, DamagedFile))


def backward_lines(path: Path, end: int | None = None) -> Iterator[RawLine]:
    """Yield the lines from the last to the first; a last one without newline comes first.

    Args:
        path: The file.
        end: Look only at what stands before this offset; None for all.

    Raises:
        DamagedFile: Compressed data cannot be decoded; of a file with a table the lines behind it have been yielded,
            of a foreign one those before it.
        OSError: The file cannot be read.
    """
    with _opened(path) as (file, compressed):
        if not compressed:
            size = file.seek(0, os.SEEK_END)
            yield from _split_backward(_blocks_backward(file, size if end is None else min(size, end)))
            return
        frames = _table(file)
        if frames is None:
            yield from _foreign_backward(file, end)
        else:
            yield from _split_backward(_frames_backward(file, frames, end))


def line_at(path: Path, offset: int, size: int) -> bytes:
    """Return the `size` bytes at `offset`. In a compressed file that decodes a frame, 64 MiB of text.

    Raises:
        DamagedFile: Compressed data there cannot be decoded.
        OSError: The file cannot be read.
    """
    with _opened(path) as (file, compressed):
        if not compressed:
            return _read_at(file)(size, offset)
        found = []
        missing = size
        for block in _text_from(file, offset):
            found.append(block[:missing])
            missing -= len(found[-1])
            if missing == 0:
                break
        return b"".join(found)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open a part under its own name, or the one that it has just been given; say whether it is compressed."""
    *others, last = _forms(path)
    for name in others:
        with suppress(FileNotFoundError):
            file = name.open("rb", buffering=_BLOCK)
            break
    else:
        file = (name := last).open("rb", buffering=_BLOCK)
    with file:
        yield file, name.suffix == ".zst"


def _forms(path: Path) -> list[Path]:
    """Return the names to try: one of the two is always there, but not always the same one."""
    if path.name.endswith(".jsonl.zst"):
        return [path, path.with_suffix(""), path]
    return [path, path.with_name(f"{path.name}.zst"), path] if path.suffix == ".jsonl" else [path]


def read_lines(file: BinaryIO, offset: int) -> Iterator[RawLine]:
    """Yield the lines of an open plain file from where it stands, which is `offset`; each is read to its end first."""
    while line := file.readline(LONGEST_LINE):
        size = len(line)
        if size == LONGEST_LINE and not line.endswith(b"\n"):
            line = line[:SHOWN_OF_OVERLONG]
            while (more := file.readline(_BLOCK)) and not more.endswith(b"\n"):
                size += len(more)
            size += len(more)
        yield offset, line
        offset += size


def split_lines(blocks: Iterable[bytes], offset: int) -> Iterator[RawLine]:
    """Yield the lines of a text that comes in blocks and begins at `offset`."""
    rest = _Pieces()
    for block in blocks:
        first, *others = block.split(b"\n")
        rest.add(first)
        for piece in others:
            rest.add(b"\n")
            line, size, rest = rest.line(), rest.size, _Pieces(piece)  # nothing holds the line but who reads it
            yield offset, line
            del line
            offset += size
    if rest.size:
        yield offset, rest.line()


def _split_backward(blocks: Iterable[tuple[int, bytes]]) -> Iterator[RawLine]:
    """Yield the lines of a text whose blocks, each with its offset, come from the last to the first."""
    rest = _Pieces()
    start = 0
    try:
        for start, block in blocks:
            begins = start + len(block)
            first, *others = block.split(b"\n")
            for piece in reversed(others):  # each of these begins a line inside this block
                begins -= len(piece)
                rest.add(piece)
                if rest.size:
                    yield begins, rest.line(backward=True)
                rest = _Pieces(b"\n")
                begins -= 1
            rest.add(first)
    except DamagedFile:
        if rest.size:  # most likely whole: frames end at line ends
            yield start, rest.line(backward=True)
        raise
    if rest.size:
        yield start, rest.line(backward=True)


class _Pieces:
    """A line as it is put together; when it grows too long, only its latest piece is kept."""

    def __init__(self, piece: bytes = b"") -> None:
        self.size = len(piece)
        self._pieces = [piece]

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > LONGEST_LINE:
            self._pieces.clear()
        self._pieces.append(piece)

    def line(self, *, backward: bool = False) -> bytes:
        line = b"".join(reversed(self._pieces) if backward else self._pieces)
        return line.rstrip(b"\n")[:SHOWN_OF_OVERLONG] if self.size > LONGEST_LINE else line


def _blocks_backward(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        yield start, file.read(end - start)
        end = start


def _frames_backward(file: BinaryIO, frames: list[Frame], end: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield small blocks, so that a frame is in memory once."""
    for frame in reversed(frames):
        stop = frame.size if end is None else min(frame.size, end - frame.offset)
        if stop <= 0:
            continue
        text = _load(file, frame)
        for begins in range((stop - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
            yield frame.offset + begins, text[begins : min(stop, begins + _BLOCK)]
        del text  # before the next one is loaded


def _foreign_backward(file: BinaryIO, end: int | None) -> Iterator[RawLine]:
    """Read a file without a table: its text goes to a nameless file on the disk first."""
    damage: DamagedFile | None = None
    with tempfile.TemporaryFile() as text:
        try:
            text.writelines(_text_from(file, 0))
        except DamagedFile as error:
            damage = error
        size = text.tell()
        yield from _split_backward(_blocks_backward(text, size if end is None else min(size, end)))
    if damage is not None:
        raise damage


def _text_from(file: BinaryIO, start: int) -> Iterator[bytes]:
    """Yield the text of a compressed file from offset `start` on, in blocks."""
    frames = _table(file)
    blocks = _stream(file) if frames is None else _framed(file, frames, start)
    for offset, block in blocks:
        if offset + len(block) > start:
            yield block[max(0, start - offset) :]


def _framed(file: BinaryIO, frames: list[Frame], start: int) -> Iterator[tuple[int, bytes]]:
    for frame in frames:
        if frame.end <= start:
            continue
        text = _load(file, frame)
        for begins in range(max(0, start - frame.offset) // _BLOCK * _BLOCK, len(text), _BLOCK):
            yield frame.offset + begins, text[begins : begins + _BLOCK]
        del text  # before the next one is loaded


def _stream(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    if not os.fstat(file.fileno()).st_size:  # even of no lines a compressed file has a frame
        raise DamagedFile(Path(file.name), "it is empty", 0, None)
    offset = 0
    try:
        for text in stream(_read_at(file)):
            yield offset, text
            offset += len(text)
    except BadFrame as bad:
        raise DamagedFile(Path(file.name), str(bad), offset, None) from bad


def _load(file: BinaryIO, frame: Frame) -> bytes:
    try:
        return load_frame(_read_at(file), frame)
    except BadFrame as bad:
        raise DamagedFile(Path(file.name), str(bad), frame.offset, frame.end) from bad


def _table(file: BinaryIO) -> list[Frame] | None:
    return table(_read_at(file), os.fstat(file.fileno()).st_size)


def _read_at(file: BinaryIO) -> ReadAt:
    return whole_reads(partial(os.pread, file.fileno()))
