"""Writes a small file so that it is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from arawn.interactions.directory import FILE_MODE
from arawn.interactions.files import unfinished_name
from arawn.interactions.filesystem import Filesystem, write_fully

__all__ = ["write_whole"]


def write_whole(filesystem: Filesystem, path: Path, content: bytes) -> None:
    """Replace the file at `path`, or make it; on the disk when this returns.

    Raises:
        OSError: Anything that the system refused; the file is as it was before.
    """
    unfinished = path.with_name(unfinished_name(path.name))
    fd = filesystem.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        filesystem.fchmod(fd, FILE_MODE)
        write_fully(filesystem, fd, content)
        filesystem.fdatasync(fd)
    finally:
        filesystem.close(fd)
    filesystem.rename(unfinished, path)
    filesystem.fsync_directory(path.parent)
