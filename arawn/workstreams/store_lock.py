"""The lock of the workstream database: one process alone writes to it, and the lock file says which."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arawn.errors import StoreFailed
from arawn.interactions.lock_file import Owner, is_open_twice

__all__ = ["StoreLock", "lock_of"]

_BLOCK = 4096
_NO_FILE = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)  # a link (BSD: EMLINK), a directory, a socket


class StoreLock:
    """An `flock` on a file beside the database, never on the database itself, whose locks are SQLite's.

    The system takes it away from a process that ends, however it ends. The file stays.
    A process that was forked from the one that took it has it not, and lets it be.
    """

    def __init__(self, path: Path) -> None:
        """`path` is that of the database."""
        self._path = path
        self._descriptor: int | None = None
        self._pid = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this process was forked from the one in which this was made."""
        return os.getpid() != self._pid

    def take(self) -> bool:
        """Take the lock and keep it; return False if it was here already.

        Raises:
            StoreFailed: Somebody else has it, in this process or another; the message says who, and what to do. Or
                what has the name of the lock file is a link, or no file.
            OSError: The lock file cannot be made or locked.
        """
        if self._descriptor is not None and not self.is_inherited:
            return False
        descriptor = self._opened(lock_of(self._path))
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let others have it at once, whatever was forked meanwhile; nothing happens if it is not here.

        A forked process only closes what it inherited.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if not self.is_inherited:
            with suppress(OSError):  # the close does it too, where nothing was forked
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the lock for the block, and afterwards only if it was here before; errors as for `take`."""
        taken = self.take()
        try:
            yield
        finally:
            if taken:
                self.release()

    def _opened(self, lock: Path) -> int:
        """Return the lock file, open; never what a link leads to, since the owner's name is written into it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(lock, flags, 0o600)
        except OSError as error:
            if error.errno in _NO_FILE:
                raise self._no_lock_file(lock) from error
            raise
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            if found.st_uid == os.geteuid():
                os.fchmod(descriptor, 0o600)  # whatever the umask
            return descriptor
        os.close(descriptor)
        raise self._no_lock_file(lock)

    def _no_lock_file(self, lock: Path) -> StoreFailed:
        found = f"`{lock}`, the place of its lock file, is a link or another thing that is no file"
        return StoreFailed(f"cannot lock the workstream database `{self._path}`: {found}; remove it")

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreFailed(
                f"cannot use the workstream database `{self._path}`: {_refusal(descriptor, lock_of(self._path))} "
                "`workstreams.database` for this one"
            ) from error
        _sign(descriptor)


def lock_of(path: Path) -> Path:
    """Return the lock file of the database at `path`: beside the file, not beside a link."""
    real = path.resolve()
    return real.with_name(f"{real.name}.lock")


def _sign(descriptor: int) -> None:
    """Write who has the lock. On a full disk nobody's name stands there, which takes nothing from the lock."""
    owner = msgspec.json.encode(Owner(pid=os.getpid(), started=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"))
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, owner, 0)


def _refusal(descriptor: int, lock: Path) -> str:
    """Return who has the lock and what to do; nameless where the name is just being written, or could not be."""
    holder, owner = "another process", None
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        owner = msgspec.json.decode(os.pread(descriptor, _BLOCK, 0), type=Owner)
        holder = f"process {owner.pid} (since {owner.started})"
    if owner is not None and owner.pid == os.getpid() and is_open_twice(lock):
        return f"this process ({owner.pid}) has it open already; one runtime a database: share that one, or set another"
    remedy = (
        "wait until that has ended; if it is a daemon, name the configuration that it was started with "
        "(`--config FILE`); if not, run `arawn start` once, and every command goes through that daemon"
    )
    return f"{holder} has it; {remedy}; or set another"
