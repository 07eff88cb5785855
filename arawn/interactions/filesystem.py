"""Every operation of the log's write side on the operating system: one seam, so that tests can make each one fail."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["DIRECTORY_MODE", "FILE_MODE", "Filesystem", "is_regular", "make_directories", "write_fully"]

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_MOST_PIECES = 1024  # of one write: IOV_MAX of Linux and macOS


class Filesystem:
    """The operating system, for the process in which this was made.

    Each method means what the system call of its name means, and raises OSError. A process that was forked from it
    changes nothing: it has the same open files, and would use the same numbers.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()

    def _require_own(self) -> None:
        if os.getpid() != self._pid:
            raise PermissionError(errno.EPERM, f"this process was forked from process {self._pid}, which has the log")

    def open(self, path: Path, flags: int, mode: int) -> int:
        """Open a file, never through a symbolic link, closed on exec."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._require_own()
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def dup(self, fd: int) -> int:
        """Return a second descriptor of the same open file."""
        return os.dup(fd)

    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        """Write some of `pieces`, one behind the other; return how many bytes were taken."""
        self._require_own()
        return os.writev(fd, pieces)

    def pread(self, fd: int, count: int, offset: int) -> bytes:
        """Read up to `count` bytes at `offset`."""
        return os.pread(fd, count, offset)

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        self._require_own()
        os.ftruncate(fd, size)

    def fdatasync(self, fd: int) -> None:
        """Bring the file's content to the disk."""
        getattr(os, "fdatasync", os.fsync)(fd)  # macOS has only fsync

    def fsync_directory(self, path: Path) -> None:
        """Bring the directory's entries to the disk."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` by `source` in one step."""
        self._require_own()
        source.rename(target)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self._require_own()
        path.unlink()

    def flock(self, fd: int) -> None:
        """Take the exclusive lock of an open file; BlockingIOError when another has it."""
        self._require_own()
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock(self, fd: int) -> None:
        """Give that lock back, whoever else has the open file: a process forked meanwhile has."""
        self._require_own()
        fcntl.flock(fd, fcntl.LOCK_UN)

    def mkdir(self, path: Path, mode: int) -> None:
        """Make one directory."""
        self._require_own()
        path.mkdir(mode)

    def chmod(self, path: Path, mode: int) -> None:
        """Set a directory's mode."""
        self._require_own()
        path.chmod(mode)

    def fchmod(self, fd: int, mode: int) -> None:
        """Set an open file's mode."""
        self._require_own()
        os.fchmod(fd, mode)

    def lstat(self, path: Path) -> os.stat_result:
        """Describe what stands at `path`, links not followed."""
        return path.lstat()

    def leads_to(self, path: Path, fd: int) -> bool:
        """Say whether an open file stands at `path`, links not followed; True where nobody may look."""
        try:
            return os.path.samestat(path.lstat(), os.fstat(fd))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:  # what is open is written on
            return True

    def size(self, fd: int) -> int:
        """Return an open file's size in bytes."""
        return os.fstat(fd).st_size

    def names(self, path: Path) -> list[str]:
        """List a directory."""
        return [entry.name for entry in path.iterdir()]


def write_fully(filesystem: Filesystem, fd: int, *pieces: bytes) -> None:
    """Write all of `pieces`, one behind the other, going on after short writes and interruptions.

    Raises:
        OSError: Anything that the system refused; any part of `pieces` may have been written.
    """
    for start in range(0, len(pieces), _MOST_PIECES):
        _write_at_once(filesystem, fd, pieces[start : start + _MOST_PIECES])


def _write_at_once(filesystem: Filesystem, fd: int, pieces: Sequence[bytes | memoryview]) -> None:
    left = sum(map(len, pieces))
    while left:
        try:
            count = filesystem.write(fd, pieces)
        except InterruptedError:  # nothing was taken
            continue
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= count
        if left:  # joined once, however many short writes there are
            pieces = (memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))[count:],)


def is_regular(filesystem: Filesystem, path: Path) -> bool:
    """Say whether a file of the log can stand at `path`: links, directories and pipes are none, and are left alone.

    Raises:
        OSError: Anything that the system refused; what is not there any more counts as a file, whose opening says so.
    """
    try:
        return stat.S_ISREG(filesystem.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def make_directories(filesystem: Filesystem, path: Path) -> None:
    """Make what is missing of `path` for this user alone; what stands there already stays as it is.

    Raises:
        OSError: Anything that the system refused.
    """
    missing = []
    while not _stands(filesystem, path):
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with suppress(FileExistsError):  # another process was first; its mode is the same
            filesystem.mkdir(directory, DIRECTORY_MODE)
            filesystem.chmod(directory, DIRECTORY_MODE)  # whatever the umask
        filesystem.fsync_directory(directory.parent)


def _stands(filesystem: Filesystem, path: Path) -> bool:
    try:
        filesystem.lstat(path)
    except FileNotFoundError:
        return False
    return True
