"""What stands in the lock file: who writes; and, where a writer ended on a full disk, what it could not write.

The file has its block of the disk from the start on, so a few words more find room where a log file has none.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from arawn.interactions.filesystem import Filesystem, write_fully
from arawn.interactions.whole_file import opened, read_small

__all__ = ["LOCK", "Owner", "Unwritten", "note_unwritten", "read_owner", "write_owner"]

LOCK = ".lock"
_BLOCK = 4096
_LONGEST_REASON = 500


class Unwritten(msgspec.Struct, frozen=True):
    """How many records a writer took and never wrote, and why; the next one declares them in a `gap`."""

    count: int
    reason: str


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who has the lock, or had it last, since when."""

    pid: int
    started: str
    unwritten: Unwritten | None = None


def read_owner(filesystem: Filesystem, directory: Path) -> Owner | None:
    """Return what stands in the lock file of `directory`; None if it is missing, new, or just being written.

    Raises:
        OSError: It cannot be read.
    """
    data = read_small(filesystem, directory / LOCK, _BLOCK)
    try:
        return None if data is None else msgspec.json.decode(data, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_owner(filesystem: Filesystem, directory: Path, owner: Owner) -> None:
    """Write `owner` over what stands in the lock file, on the disk when this returns; takes no room that it has not.

    Raises:
        OSError: Anything that the system refused.
    """
    content = msgspec.json.encode(owner)
    with opened(filesystem, directory / LOCK, os.O_WRONLY) as fd:
        write_fully(filesystem, fd, content)
        filesystem.ftruncate(fd, len(content))
        filesystem.fdatasync(fd)


def note_unwritten(filesystem: Filesystem, directory: Path, count: int, reason: str) -> None:
    """Add to the lock file that so many records more were never written, as its owner ends.

    Raises:
        FileNotFoundError: It is gone, or names nobody.
        OSError: The system refused.
    """
    if not count:
        return
    owner = read_owner(filesystem, directory)
    if owner is None:
        raise FileNotFoundError(errno.ENOENT, f"`{directory / LOCK}` is gone, or names nobody")
    total = count + (owner.unwritten.count if owner.unwritten else 0)
    unwritten = Unwritten(total, reason[:_LONGEST_REASON])
    write_owner(filesystem, directory, msgspec.structs.replace(owner, unwritten=unwritten))
