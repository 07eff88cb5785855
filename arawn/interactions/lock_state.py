"""Whether a writer has a log directory in hand, found out without touching its lock."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

__all__ = ["writer_is_active"]

_LOCKS = Path("/proc/locks")


class _Owner(msgspec.Struct):
    pid: int


def writer_is_active(directory: Path) -> bool:
    """Say whether some process has the lock of `directory`.

    The kernel's own list of locks is asked where there is one; elsewhere, whether the process named in the lock file
    is alive, which can be another one with the same number.
    """
    lock = directory / ".lock"
    try:
        inode = lock.stat().st_ino
        if _LOCKS.exists():
            held = (line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines())
            return any("FLOCK" in words and any(word.endswith(f":{inode}") for word in words) for words in held)
        owner = msgspec.json.decode(lock.read_bytes(), type=_Owner)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    return _is_alive(owner.pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
