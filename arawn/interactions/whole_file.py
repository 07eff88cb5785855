"""Small files: read in one piece; written so that they are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from arawn.interactions.files import unfinished_name
from arawn.interactions.filesystem import Filesystem, write_fully

__all__ = ["FILE_MODE", "read_small", "write_whole"]

FILE_MODE = 0o600
_BUFFER = 1 << 20


def read_small(filesystem: Filesystem, path: Path, most: int) -> bytes | None:
    """Return the first `most` bytes of a file, None if there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        fd = filesystem.open(path, os.O_RDONLY, 0)
    except FileNotFoundError:
        return None
    try:
        return filesystem.pread(fd, most, 0)
    finally:
        filesystem.close(fd)


def write_whole(filesystem: Filesystem, path: Path, content: bytes | Iterable[bytes]) -> None:
    """Put a file in its place in one step, on the disk when this returns; a crash leaves the old one or the new one.

    Args:
        filesystem: The operating system, or a simulation of it.
        path: The file to replace or make.
        content: What will be in it, as a whole or in pieces.

    Raises:
        OSError: Anything that the system refused; the file is as it was before.
    """
    draft = path.with_name(unfinished_name(path.name))
    fd = filesystem.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        filesystem.fchmod(fd, FILE_MODE)
        _write(filesystem, fd, [content] if isinstance(content, bytes) else content)
        filesystem.fdatasync(fd)
    except OSError:
        with contextlib.suppress(OSError):  # what went wrong first matters more
            filesystem.unlink(draft)
        raise
    finally:
        filesystem.close(fd)
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
