"""Finds and moves away the torn last line that a crash leaves, reading only from the end of the file."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from arawn.interactions.files import aside_name
from arawn.interactions.filesystem import Filesystem, write_fully
from arawn.interactions.whole_file import new_file

__all__ = ["TornTail", "repair_tail"]

_BLOCK = 65_536


class TornTail(msgspec.Struct, frozen=True):
    """What was cut off, from which file, and where it is kept now."""

    file: str
    torn_bytes: int
    torn_file: str


def repair_tail(filesystem: Filesystem, path: Path, fd: int, now: datetime) -> TornTail | None:
    """Make the file at `path` end with a whole line; return what was moved away, None if nothing had to be.

    `fd` is the file, open for reading and writing. The tail is copied and synced before the file is cut, so a crash in
    between loses nothing.

    Raises:
        OSError: Anything that the system refused; the file is as it was.
    """
    size = filesystem.size(fd)
    whole = _end_of_last_line(filesystem, fd, size)
    if whole == size:
        return None
    kept = aside_name(path.name, "torn", now, filesystem.names(path.parent))
    aside = path.with_name(kept)
    with new_file(filesystem, aside, os.O_WRONLY | os.O_EXCL) as out:  # each try on a full disk would leave one more
        for offset in range(whole, size, _BLOCK):
            write_fully(filesystem, out, filesystem.pread(fd, min(_BLOCK, size - offset), offset))
        filesystem.fdatasync(out)
    filesystem.fsync_directory(path.parent)
    filesystem.ftruncate(fd, whole)
    filesystem.fdatasync(fd)
    return TornTail(file=path.name, torn_bytes=size - whole, torn_file=kept)


def _end_of_last_line(filesystem: Filesystem, fd: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = filesystem.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
