"""The lock file: who writes, by what stands in it, and whether a writer has it, without touching its lock.

Where a writer ended on a full disk, what it could not write stands there, too: the file has its block of the disk from
the start on, so a few words more find room where a log file has none.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from arawn.interactions.filesystem import Filesystem, write_fully
from arawn.interactions.whole_file import opened, read_small

__all__ = [
    "LOCK",
    "Owner",
    "Unwritten",
    "is_held_by",
    "is_open_twice",
    "note_unwritten",
    "read_owner",
    "write_owner",
    "writer_is_active",
]

LOCK = ".lock"
_BLOCK = 4096
_LONGEST_REASON = 500
_LOCKS = Path("/proc/locks")
_FLOCK = re.compile(r"FLOCK +\S+ +\S+ +(-?\d+) +(\S+):(\d+)")  # the process, and the device and number of the file
_DESCRIPTORS = Path("/dev/fd")


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


def writer_is_active(directory: Path) -> bool:
    """Say whether some process has the lock of `directory`.

    The kernel's own list of locks is asked where there is one; elsewhere, whether the process named in the lock file
    is alive, which can be another one with the same number.
    """
    try:
        found = (directory / LOCK).stat()
        owner = read_owner(Filesystem(), directory)
        held = _flocks(found)
    except FileNotFoundError:
        return False
    pid = None if owner is None else owner.pid
    if held is None:
        return pid is not None and _is_alive(pid)
    # Other devices have files of the same number; and some file systems show another device than the kernel's.
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    return any(place == device or holder == pid for holder, place in held)


def is_held_by(directory: Path, pid: int) -> bool:
    """Say whether the kernel names this process as the one that has the lock; False where there is no list of locks.

    The number in the lock file is no proof: it may be one of another container, or not be written anew yet.
    """
    try:
        held = _flocks((directory / LOCK).stat())
    except OSError:
        return False
    return any(holder == pid for holder, _ in held or ())


def is_open_twice(lock: Path) -> bool:
    """Say whether this process, which has just opened a lock file, has it open by another descriptor, too.

    Its number in the lock file is no proof: in containers that share a directory, many a process has the number 1.
    """
    try:
        found = lock.stat()
        return sum(os.path.samestat(found, one) for one in _open_files()) > 1
    except OSError:
        return False


def _open_files() -> Iterator[os.stat_result]:
    for path in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # the one that lists them
            yield os.fstat(int(path.name))


def _flocks(found: os.stat_result) -> list[tuple[int, str]] | None:
    """Return process and device of every lock on a file of this number; None where the kernel has no list of them."""
    if not _LOCKS.exists():
        return None
    listed = _FLOCK.findall(_LOCKS.read_text(encoding="ascii"))
    return [(int(pid), device) for pid, device, number in listed if int(number) == found.st_ino]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
