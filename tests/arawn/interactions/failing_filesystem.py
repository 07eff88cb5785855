"""The real file system, but one operation fails as if the process had died there, the disk is full, or syncs fail."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import override

from arawn.interactions.filesystem import Filesystem
from tests.arawn.interactions.simulated_filesystem import os_error

_BLOCK = 4096


class Died(BaseException):
    """The process died; nothing after this happened."""


class DyingFilesystem(Filesystem):
    """Counts operations; from number `last` on, each of them raises."""

    def __init__(self, last: int | None = None) -> None:
        super().__init__()
        self.count = 0
        self.last = last

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        return self._counted(name, found)

    def _counted(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            self.count += 1
            if self.last is not None and self.count > self.last and name not in ("close", "unlock"):
                raise Died(name)
            return operation(*arguments)

        return act


class FullDisk(Filesystem):
    """While `is_full`, a file can grow to the end of the block that it has, and no further."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    @override
    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        if not self.is_full:
            return super().write(fd, pieces)
        size = self.size(fd)
        place = size if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND else os.lseek(fd, 0, os.SEEK_CUR)
        room = -(-size // _BLOCK) * _BLOCK - place
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, [b"".join(pieces)[:room]])


class FailingSyncs(Filesystem):
    """A disk on which syncs fail as long as `fails`; without descriptors as long as `is_exhausted`."""

    fails = is_exhausted = False

    @override
    def fdatasync(self, fd: int) -> None:
        if self.fails:
            raise os_error(errno.EIO)
        super().fdatasync(fd)

    @override
    def dup(self, fd: int) -> int:
        if self.is_exhausted:
            raise os_error(errno.EMFILE)
        return super().dup(fd)
