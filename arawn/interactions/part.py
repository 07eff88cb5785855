"""One open file of the log: takes whole batches or nothing, and remembers what is not yet on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
from operator import attrgetter
from pathlib import Path

import msgspec

from arawn.interactions.directory import ClaimedDirectory, held, let_go
from arawn.interactions.files import DayFile, day_files, next_part
from arawn.interactions.filesystem import FILE_MODE, Filesystem, write_fully
from arawn.interactions.pending import Line

__all__ = ["NewPart", "Part", "PartBroken", "PartFull", "PartTooLong", "create_part", "open_part"]

_NAME_ATTEMPTS = 3
_size_of = attrgetter("size")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class PartFull(Exception):
    """There was no room. The file is as it was before; the same write may succeed later."""


class PartTooLong(Exception):
    """This file may not grow so far, but another may. The file is as it was before and stays good."""


class PartBroken(Exception):
    """The descriptor cannot be trusted any more: what was written since the last good sync belongs elsewhere."""


class Part:
    """An open day file.

    `unsynced` holds the lines written since the last good sync (none are kept when `keeps_unsynced` is false, but
    `dirty` still says that there are some).
    """

    def __init__(self, filesystem: Filesystem, file: DayFile, fd: int, *, size: int, keeps_unsynced: bool) -> None:
        self.file = file
        self.fd = fd
        self.size = size
        self.dirty = False
        self.unsynced: list[Line] = []
        self.unsynced_bytes = 0
        self._filesystem = filesystem
        self._keeps_unsynced = keeps_unsynced

    def append(self, lines: list[Line]) -> None:
        """Write all of `lines`, or none.

        Raises:
            PartFull: No room; the file was cut back to its last good end.
            PartTooLong: A limit on the size of one file; cut back likewise.
            PartBroken: Any other failure, or the cut failed too.
        """
        pieces = [line.json for line in lines]
        try:
            write_fully(self._filesystem, self.fd, *pieces)
        except OSError as error:
            self._cut_back(error)
        self.size += sum(map(len, pieces))
        self.dirty = True
        if self._keeps_unsynced:
            for line in lines:
                line.keep()
            self.unsynced += lines
            self.unsynced_bytes += sum(map(_size_of, lines))

    def _cut_back(self, error: OSError) -> None:
        if error.errno not in (*_FULL, errno.EFBIG):
            raise PartBroken(str(error)) from error
        try:
            self._filesystem.ftruncate(self.fd, self.size)
        except OSError as cut_error:
            raise PartBroken(f"{error}; then cutting back: {cut_error}") from cut_error
        if error.errno == errno.EFBIG:
            raise PartTooLong(str(error)) from error
        raise PartFull(str(error)) from error

    def synced(self, count: int) -> None:
        """Forget the first `count` unsynced lines: they are on the disk."""
        self.unsynced_bytes -= sum(map(_size_of, self.unsynced[:count]))
        del self.unsynced[:count]
        self.dirty = bool(self.unsynced)


class NewPart(msgspec.Struct, frozen=True):
    """A part that was just made, the claim under which that was begun, and the one that holds the directory now."""

    part: Part
    under: ClaimedDirectory
    now: ClaimedDirectory


def create_part(filesystem: Filesystem, directory: ClaimedDirectory, day: str, *, keeps_unsynced: bool) -> NewPart:
    """Make the next file of `day`, whose name is on the disk before this returns.

    Raises:
        LogInUse: The directory was made anew, and another process has taken it.
        OSError: Anything that the system refused; no file is left behind if it can be helped.
    """
    now = held(filesystem, directory)
    try:
        return NewPart(_create(filesystem, now.path, day, keeps_unsynced=keeps_unsynced), directory, now)
    except BaseException:
        if now is not directory:
            let_go(filesystem, now)
        raise


def _create(filesystem: Filesystem, directory: Path, day: str, *, keeps_unsynced: bool) -> Part:
    for _ in range(_NAME_ATTEMPTS - 1):
        with contextlib.suppress(FileExistsError):  # a thread left behind on a disk that hung made one meanwhile
            return _create_next(filesystem, directory, day, keeps_unsynced=keeps_unsynced)
    return _create_next(filesystem, directory, day, keeps_unsynced=keeps_unsynced)


def _create_next(filesystem: Filesystem, directory: Path, day: str, *, keeps_unsynced: bool) -> Part:
    file = next_part(day_files(filesystem.names(directory)), day)
    path = directory / file.name
    fd = filesystem.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        filesystem.fchmod(fd, FILE_MODE)
        filesystem.fsync_directory(directory)
    except BaseException:
        filesystem.close(fd)
        filesystem.unlink(path)
        raise
    return Part(filesystem, file, fd, size=0, keeps_unsynced=keeps_unsynced)


def open_part(filesystem: Filesystem, directory: Path, file: DayFile, *, keeps_unsynced: bool) -> Part:
    """Open an existing, repaired file to go on with it.

    Raises:
        OSError: Anything that the system refused.
    """
    fd = filesystem.open(directory / file.name, os.O_RDWR | os.O_APPEND, FILE_MODE)
    try:
        filesystem.fchmod(fd, FILE_MODE)
        size = filesystem.size(fd)
    except BaseException:
        filesystem.close(fd)
        raise
    return Part(filesystem, file, fd, size=size, keeps_unsynced=keeps_unsynced)
