"""Makes directories for this user alone, parents included, whatever the umask."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from arawn.interactions.filesystem import Filesystem

__all__ = ["DIRECTORY_MODE", "make_directories"]

DIRECTORY_MODE = 0o700


def make_directories(filesystem: Filesystem, path: Path) -> None:
    """Make what is missing of `path`, each part with mode 0700; what stands there already stays as it is.

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
