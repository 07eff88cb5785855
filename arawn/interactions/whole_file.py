"""Files that are held open for a while, or read or written as a whole: then they are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arawn.interactions.files import unfinished_name
from arawn.interactions.filesystem import FILE_MODE, Filesystem, write_fully

__all__ = ["new_file", "opened", "read_small", "write_whole"]

_BUFFER = 1 << 20


@contextmanager
def opened(filesystem: Filesystem, path: Path, flags: int) -> Iterator[int]:
    """Hold a file open for the block.

    Raises:
        OSError: It cannot be opened.
    """
    fd = filesystem.open(path, flags, FILE_MODE)
    try:
        yield fd
    finally:
        filesystem.close(fd)


@contextmanager
def new_file(filesystem: Filesystem, path: Path, flags: int) -> Iterator[int]:
    """Hold a file open that is made, for its owner alone; if the block fails, nothing is left of it.

    `flags` say what it is open for, and what becomes of one that is there: `O_TRUNC` or `O_EXCL`.

    Raises:
        OSError: It cannot be made.
    """
    with opened(filesystem, path, os.O_CREAT | flags) as fd:
        try:
            filesystem.fchmod(fd, FILE_MODE)
            yield fd
        except BaseException:
            with suppress(OSError):  # what went wrong first matters more
                filesystem.unlink(path)
            raise


def read_small(filesystem: Filesystem, path: Path, most: int) -> bytes | None:
    """Return the first `most` bytes of a file, None if there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with opened(filesystem, path, os.O_RDONLY) as fd:
            return filesystem.pread(fd, most, 0)
    except FileNotFoundError:
        return None


def write_whole(filesystem: Filesystem, path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put a file in its place in one step, on the disk when this returns; a crash leaves the old one or the new one.

    Raises:
        OSError: Anything that the system refused; the file is as it was before.
    """
    draft = path.with_name(unfinished_name(path.name))
    with new_file(filesystem, draft, os.O_WRONLY | os.O_TRUNC) as fd:
        _write(filesystem, fd, [content] if isinstance(content, bytes) else content)
        filesystem.fdatasync(fd)
    filesystem.rename(draft, path)
    filesystem.fsync_directory(path.parent)


def _write(filesystem: Filesystem, fd: int, pieces: Iterable[bytes]) -> None:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _BUFFER:
            write_fully(filesystem, fd, bytes(buffer))
            buffer.clear()
    write_fully(filesystem, fd, bytes(buffer))
