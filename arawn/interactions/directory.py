"""Claims a log directory for one writer: makes it private, names it, locks it for life."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from arawn.errors import LogWriteFailed
from arawn.interactions.files import IGNORE, kind_of_name
from arawn.interactions.filesystem import DIRECTORY_MODE, FILE_MODE, Filesystem, make_directories
from arawn.interactions.lock_file import LOCK, Owner, is_open_twice, read_owner, write_owner
from arawn.interactions.record import timestamp_text
from arawn.interactions.whole_file import read_small, write_whole

__all__ = ["ClaimedDirectory", "LockGone", "LogInUse", "claim", "held", "let_go", "misplaced", "require_directory"]

_ID = ".directory-id"
_ID_SHAPE = re.compile(rb"[0-9a-f]{8}")


class LogInUse(LogWriteFailed):
    """Somebody else writes to the log: another process, or this one."""


class LockGone(FileNotFoundError):
    """Other writers do not find the lock; the file that was looked at is where it should be."""


class ClaimedDirectory(msgspec.Struct, frozen=True):
    """A directory that this process alone writes to until `let_go`; `id` stays the same for ever.

    `owner` is what stands in the lock file; with what the writer before could not write, if there is any. `tells` is
    whether the file system calls an open file and the one under its name the same: some do not, and are not looked at.
    """

    path: Path
    id: str
    lock: int
    owner: Owner
    tells: bool

    @property
    def is_inherited(self) -> bool:
        """Whether this process was forked from the one that claimed the directory, and so must change nothing in it."""
        return self.owner.pid != os.getpid()


def claim(filesystem: Filesystem, path: Path, *, now: datetime, token: Callable[[int], str]) -> ClaimedDirectory:
    """Make and lock the log directory.

    Args:
        filesystem: The operating system, or a simulation of it.
        path: The directory; made with its parents when missing, its mode set to 0700, but where files
            stand in it that are none of a log.
        now: Written into the lock file for the next process that wants it, beside the number of this one.
        token: Returns that many random bytes as hexadecimal text (`secrets.token_hex`).

    Raises:
        LogInUse: Another process has the lock, or this one has it already. Nothing was changed.
        LogWriteFailed: `path` is a symbolic link or no directory. Nothing was changed.
        OSError: Anything that the system refused.
    """
    make_directories(filesystem, path)
    _require_private(filesystem, path)
    return _take(filesystem, path, Owner(pid=os.getpid(), started=timestamp_text(now)), lambda: token(4))


def held(filesystem: Filesystem, claimed: ClaimedDirectory) -> ClaimedDirectory:
    """Return `claimed` while its lock file is where others look for it; else the directory claimed anew, as the same.

    A directory that was removed and made again has neither its lock nor its name. Who claimed it closes the old lock.

    Raises:
        LogInUse: Another process has taken it meanwhile.
        LogWriteFailed: It is a symbolic link now, or no directory.
        OSError: Anything that the system refused: the directory is gone, say.
    """
    if not claimed.tells or filesystem.leads_to(claimed.path / LOCK, claimed.lock):
        return claimed
    _require_private(filesystem, claimed.path)
    owner = msgspec.structs.replace(claimed.owner, unwritten=None)  # which was declared at the start
    return _take(filesystem, claimed.path, owner, lambda: claimed.id)


def misplaced(filesystem: Filesystem, claimed: ClaimedDirectory, name: str, fd: int) -> OSError | None:
    """Return what is wrong with a file that is open under `name`: readers find another there, or nobody the lock."""
    if not claimed.tells:
        return None
    gone = f"`{name}` was removed or moved away while it was being written"
    try:
        if not filesystem.leads_to(claimed.path / name, fd):
            return FileNotFoundError(errno.ENOENT, f"{gone}; what is missing now, `arawn interactions verify` counts")
        if not filesystem.leads_to(claimed.path / LOCK, claimed.lock):
            return LockGone(errno.ENOENT, f"`{LOCK}`, which keeps other writers out, was removed or moved away")
    except OSError as error:
        return error
    return None


def let_go(filesystem: Filesystem, claimed: ClaimedDirectory) -> None:
    """Give the lock back at once, whatever was forked meanwhile; a forked process only closes what it inherited."""
    with contextlib.suppress(OSError):  # a forked process may not; in another, the close does it, where none was forked
        filesystem.unlock(claimed.lock)
    with contextlib.suppress(OSError):  # Linux has closed it whatever `close` says
        filesystem.close(claimed.lock)


def require_directory(filesystem: Filesystem, path: Path) -> int:
    """Return the mode of `path`, which is there.

    Raises:
        LogWriteFailed: It is a symbolic link, or no directory.
    """
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
    return mode


def _require_private(filesystem: Filesystem, path: Path) -> None:
    mode = require_directory(filesystem, path)
    if any(kind_of_name(name) == "foreign" for name in filesystem.names(path)):
        return  # it is somebody's directory of other things, too: `verify` says where it is open to others
    if mode & 0o077:  # only ever narrower: a directory that its owner made read-only stays so
        filesystem.chmod(path, mode & DIRECTORY_MODE)


def _take(filesystem: Filesystem, path: Path, owner: Owner, new_id: Callable[[], str]) -> ClaimedDirectory:
    """Lock the directory and give it what is missing; `new_id` returns its name if it has none."""
    lock, owner = _lock(filesystem, path, owner)
    try:
        names = filesystem.names(path)
        if IGNORE not in names:
            write_whole(filesystem, path / IGNORE, b"*\n")
        known = _read_id(filesystem, path) if _ID in names else None
        if known is None:
            known = new_id()
            write_whole(filesystem, path / _ID, known.encode())
        return ClaimedDirectory(path, known, lock, owner, filesystem.leads_to(path / LOCK, lock))
    except BaseException:
        filesystem.close(lock)
        raise


def _lock(filesystem: Filesystem, path: Path, owner: Owner) -> tuple[int, Owner]:
    fd = filesystem.open(path / LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        _take_lock(filesystem, fd, path, owner.pid)
        filesystem.fchmod(fd, FILE_MODE)
        before = read_owner(filesystem, path)
        if before is not None:  # kept until it is declared
            owner = msgspec.structs.replace(owner, unwritten=before.unwritten)
        write_owner(filesystem, path, owner)
    except BaseException:
        filesystem.close(fd)
        raise
    return fd, owner


def _take_lock(filesystem: Filesystem, fd: int, path: Path, pid: int) -> None:
    try:
        filesystem.flock(fd)
    except BlockingIOError as error:
        holder = read_owner(filesystem, path)
        if holder is not None and holder.pid == pid and is_open_twice(path / LOCK):
            who = f"this process ({pid}) is writing to it already"
            remedy = "one runtime a log: share that one, or set another `logging.interactions.path` for this one"
        else:
            name = "another process" if holder is None else f"process {holder.pid} (started {holder.started})"
            who = f"{name} is writing to it"
            remedy = (
                "wait until it has ended; if it is a daemon, name the configuration that it was started with "
                "(`--config FILE`); if not, run `arawn start` once, and every command goes through that daemon; or set "
                "another `logging.interactions.path` for this one"
            )
        raise LogInUse(f"cannot open the interaction log in `{path}`: {who}; {remedy}") from error


def _read_id(filesystem: Filesystem, path: Path) -> str | None:
    content = read_small(filesystem, path / _ID, 64) or b""
    return content.decode() if _ID_SHAPE.fullmatch(content) else None
