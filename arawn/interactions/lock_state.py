"""Whether a writer has a log directory in hand, and whether it is this process, found out without touching its lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import LOCK, read_owner

__all__ = ["is_held_by", "is_open_twice", "writer_is_active"]

_LOCKS = Path("/proc/locks")
_DESCRIPTORS = Path("/dev/fd")


def writer_is_active(directory: Path) -> bool:
    """Say whether some process has the lock of `directory`.

    The kernel's own list of locks is asked where there is one; elsewhere, whether the process named in the lock file
    is alive, which can be another one with the same number.
    """
    try:
        found = (directory / LOCK).stat()
        owner = read_owner(Filesystem(), directory)
        pid = None if owner is None else owner.pid
        if not _LOCKS.exists():
            return pid is not None and _is_alive(pid)
        held = [words for line in _LOCKS.read_text(encoding="ascii").splitlines() if "FLOCK" in (words := line.split())]
    except FileNotFoundError:
        return False
    return any(_is_of(words, found, pid) for words in held)


def is_held_by(directory: Path, pid: int) -> bool:
    """Say whether the kernel names this process as the one that has the lock; False where there is no list of locks.

    The number in the lock file is no proof: it may be one of another container, or not be written anew yet.
    """
    try:
        inode = f":{(directory / LOCK).stat().st_ino}"
        held = [line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any("FLOCK" in words and str(pid) in words and any(w.endswith(inode) for w in words) for words in held)


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
        with contextlib.suppress(OSError):  # the one that lists them
            yield os.fstat(int(path.name))


def _is_of(words: list[str], found: os.stat_result, owner: int | None) -> bool:
    """Say whether a line of the kernel's list is of this file.

    Other devices have files of the same number, so the device must be the same, or, since some file systems show
    another one than the kernel's, the process.
    """
    here = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return here in words or (str(owner) in words and any(word.endswith(f":{found.st_ino}") for word in words))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
