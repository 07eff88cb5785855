"""Claims a log directory for one writer: makes it private, names it, locks it for life."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from arawn.errors import LogWriteFailed
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import LOCK, Owner, read_owner, write_owner
from arawn.interactions.log_names import IGNORE, kind_of_name
from arawn.interactions.record import timestamp_text
from arawn.interactions.whole_file import FILE_MODE, write_whole

__all__ = ["DIRECTORY_MODE", "FILE_MODE", "ClaimedDirectory", "LogInUse", "claim"]

DIRECTORY_MODE = 0o700
_ID = ".directory-id"
_ID_SHAPE = re.compile(rb"[0-9a-f]{8}")


class LogInUse(LogWriteFailed):
    """Another process writes to the log."""


class ClaimedDirectory(msgspec.Struct, frozen=True):
    """A directory that this process alone writes to until `lock` is closed; `id` stays the same for ever.

    `owner` is what stands in the lock file; with what the writer before could not write, if there is any.
    """

    path: Path
    id: str
    lock: int
    owner: Owner


def claim(
    filesystem: Filesystem, path: Path, *, now: datetime, pid: int, token: Callable[[int], str]
) -> ClaimedDirectory:
    """Make and lock the log directory.

    Args:
        filesystem: The operating system, or a simulation of it.
        path: The directory; made with its parents when missing, its mode set to 0700, but where files
            stand in it that are none of a log.
        now, pid: Written into the lock file for the next process that wants it.
        token: Returns that many random bytes as hexadecimal text (`secrets.token_hex`).

    Raises:
        LogInUse: Another process has the lock. Nothing was changed.
        LogWriteFailed: `path` is a symbolic link or no directory. Nothing was changed.
        OSError: Anything that the system refused.
    """
    _make_private(filesystem, path)
    lock, owner = _lock(filesystem, path, Owner(pid=pid, started=timestamp_text(now)))
    try:
        names = filesystem.names(path)
        if IGNORE not in names:
            write_whole(filesystem, path / IGNORE, b"*\n")
        known = _read_id(filesystem, path) if _ID in names else None
        if known is None:
            known = token(4)
            write_whole(filesystem, path / _ID, known.encode())
    except BaseException:
        filesystem.close(lock)
        raise
    return ClaimedDirectory(path, known, lock, owner)


def _make_private(filesystem: Filesystem, path: Path) -> None:
    _make_parents(filesystem, path)
    mode = filesystem.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        raise LogWriteFailed(
            f"cannot open the interaction log in `{path}`: it is a symbolic link; "
            "set `logging.interactions.path` to the directory that it points to"
        )
    if not stat.S_ISDIR(mode):
        raise LogWriteFailed(
            f"cannot open the interaction log in `{path}`: it is not a directory; "
            "move it away, or set `logging.interactions.path` to a directory"
        )
    if any(kind_of_name(name) == "foreign" for name in filesystem.names(path)):
        return  # it is somebody's directory of other things, too: `verify` says where it is open to others
    if mode & 0o077:  # only ever narrower: a directory that its owner made read-only stays so
        filesystem.chmod(path, mode & DIRECTORY_MODE)


def _make_parents(filesystem: Filesystem, path: Path) -> None:
    missing = []
    while not _stands(filesystem, path):
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        filesystem.mkdir(directory, DIRECTORY_MODE)
        filesystem.chmod(directory, DIRECTORY_MODE)  # whatever the umask
        filesystem.fsync_directory(directory.parent)


def _stands(filesystem: Filesystem, path: Path) -> bool:
    try:
        filesystem.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _lock(filesystem: Filesystem, path: Path, owner: Owner) -> tuple[int, Owner]:
    fd = filesystem.open(path / LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        _take(filesystem, fd, path)
        filesystem.fchmod(fd, FILE_MODE)
        before = read_owner(filesystem, path)
        if before is not None:  # kept until it is declared
            owner = msgspec.structs.replace(owner, unwritten=before.unwritten)
        write_owner(filesystem, path, owner)
    except BaseException:
        filesystem.close(fd)
        raise
    return fd, owner


def _take(filesystem: Filesystem, fd: int, path: Path) -> None:
    try:
        filesystem.flock(fd)
    except BlockingIOError as error:
        raise LogInUse(
            f"cannot open the interaction log in `{path}`: {_holder(read_owner(filesystem, path))} is writing to it; "
            "wait until it has ended; or run `arawn start` once, and every command goes through that daemon; or set "
            "another `logging.interactions.path` for this one"
        ) from error


def _holder(owner: Owner | None) -> str:
    return f"process {owner.pid} (started {owner.started})" if owner is not None else "another process"


def _read_id(filesystem: Filesystem, path: Path) -> str | None:
    fd = filesystem.open(path / _ID, os.O_RDONLY, 0)
    try:
        content = filesystem.pread(fd, 64, 0)
    finally:
        filesystem.close(fd)
    return content.decode() if _ID_SHAPE.fullmatch(content) else None
