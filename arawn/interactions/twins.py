"""Parts that are there twice, plain and compressed: whether the plain file still holds all that was compressed.

A compaction that dies before its last step leaves two files of the same text. A plain file that lacks some of it was
cut, emptied or put there by someone: then the compressed one must stay, and readers need both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from arawn.errors import LogWriteFailed
from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.sealed import BadFrame, ReadAt, load_frame, stream, table, whole_reads
from arawn.interactions.whole_file import opened

__all__ = ["LackingTwin", "holds_all", "is_shorter", "proof", "twins"]

_STEP = 4 << 20


class LackingTwin(LogWriteFailed):
    """A plain part does not hold all that stands in the compressed file beside it, or nobody can tell."""


def twins(names: Iterable[str]) -> list[DayFile]:
    """Return the plain parts among `names` whose compressed form is there too, oldest first."""
    files = set(filter(None, map(parse_name, names)))
    return sorted(file for file in files if not file.compressed and file.sealed in files)


def is_shorter(directory: Path, file: DayFile) -> bool:
    """Say at a glance whether the plain part `file` has less text than its compressed form, where both are there."""
    try:
        size = (directory / file.name).stat().st_size
        with (directory / file.sealed.name).open("rb") as sealed:
            read = whole_reads(partial(os.pread, sealed.fileno()))
            frames = table(read, os.fstat(sealed.fileno()).st_size)
            if frames is None:  # from elsewhere
                return size < sum(map(len, stream(read)))
            return size < (frames[-1].end if frames else 0)
    except OSError:  # one of the two is gone, or who reads it says why it cannot be read
        return False
    except BadFrame:
        return True


def holds_all(directory: Path, file: DayFile) -> bool:
    """Say whether the plain part `file` begins with the whole text of its compressed form.

    Raises:
        OSError: One of the two cannot be read.
    """
    try:
        for _ in proof(Filesystem(), directory, file):
            pass
    except LackingTwin:
        return False
    return True


def proof(filesystem: Filesystem, directory: Path, file: DayFile) -> Iterator[None]:
    """Compare the plain part `file` with its compressed form in small steps; it ends where the plain one holds all.

    Raises:
        LackingTwin: It does not; one sentence says what to do.
        OSError: One of the two cannot be read.
    """
    with (
        opened(filesystem, directory / file.name, os.O_RDONLY) as plain,
        opened(filesystem, directory / file.sealed.name, os.O_RDONLY) as sealed,
    ):
        yield from _compared(filesystem, plain, sealed, file)


def _compared(filesystem: Filesystem, plain: int, sealed: int, file: DayFile) -> Iterator[None]:
    read = whole_reads(partial(filesystem.pread, plain))
    offset = told = 0
    try:
        for text in _texts(whole_reads(partial(filesystem.pread, sealed)), filesystem.size(sealed)):
            if read(len(text), offset) != text:
                raise _lacking(file, f"lacks lines of `{file.sealed.name}`, which stands beside it")
            offset += len(text)
            if offset - told >= _STEP:
                told = offset
                yield
    except BadFrame as bad:
        raise _lacking(file, f"stands beside `{file.sealed.name}`, which is damaged ({bad})") from bad


def _texts(read: ReadAt, size: int) -> Iterator[bytes]:
    frames = table(read, size)
    return stream(read) if frames is None else (load_frame(read, frame) for frame in frames)


def _lacking(file: DayFile, why: str) -> LackingTwin:
    return LackingTwin(
        f"`{file.name}` {why}; both are kept as they are; run `arawn interactions repair` while no daemon runs, which "
        "makes one whole file of them"
    )
