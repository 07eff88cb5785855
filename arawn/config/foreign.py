"""Whether a project's file is to be obeyed: not one that another user wrote, or can write."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from typing import BinaryIO

from arawn.owners import stranger

__all__ = ["content_of", "mistrusted", "why_foreign", "without_waiting"]


def mistrusted(path: Path, descriptor: int) -> str | None:
    """Return why the file at `path`, open as `descriptor`, is not to be obeyed; None if it is this user's own.

    Raises:
        OSError: The file or its directory went away meanwhile.
    """
    if os.name != "posix":
        return None
    seen = (os.fstat(descriptor), path.lstat(), path.parent.stat())  # what is read, and what its name stands for
    return why_foreign(*seen, user=os.geteuid())


def why_foreign(file: os.stat_result, name: os.stat_result, directory: os.stat_result, *, user: int) -> str | None:
    """Return in words who else may say what stands in a file; None if nobody but `user` and root.

    Args:
        file: Of the file itself.
        name: Of what has its name, which is the file, or a symbolic link.
        directory: Of the directory that the name stands in.
        user: The user who is to obey it.
    """
    for owned, what in ((file, "it belongs"), (name, "the link to it belongs")):
        if owner := stranger(owned, user=user):
            return f"{what} to {owner}"
    if file.st_mode & stat.S_IWOTH:
        return f"every user may write to it (mode {stat.S_IMODE(file.st_mode):04o})"
    if directory.st_mode & stat.S_IWOTH and not directory.st_mode & stat.S_ISVTX:
        return f"every user may replace it (its directory has mode {stat.S_IMODE(directory.st_mode):04o})"
    return None


def without_waiting(path: str, flags: int) -> int:
    """Open a file as `open` does, but a pipe without waiting for its other end, which somebody else may never open."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def content_of(file: BinaryIO) -> bytes:
    """Return all of a file that was opened `without_waiting`; a pipe, which has to be one's own, is waited for."""
    if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
        writer = select.poll()
        writer.register(file, select.POLLIN)
        writer.poll()  # until there is one: what is read before that is an end, and looks like an empty file
        os.set_blocking(file.fileno(), True)
    return file.read()
