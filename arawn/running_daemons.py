"""Which daemons run, and where: a file each in the runtime directory, locked for as long as its daemon lives.

It tells where a daemon is when the configuration cannot be read, and what no socket tells: that a daemon which does not
answer is still there.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["RunningDaemon", "announced", "running_daemons"]

_LOG = logging.getLogger("arawn.daemon")
_PREFIX, _SUFFIX = "daemon-", ".json"


class RunningDaemon(msgspec.Struct, frozen=True):
    """A daemon: its process, its socket (None without one), and the files of its configuration; paths are absolute."""

    pid: int
    socket: str | None
    files: tuple[str, ...]


@contextmanager
def announced(directory: Path, daemon: RunningDaemon) -> Iterator[None]:
    """Have `running_daemons` find `daemon` for as long as the block lasts, or the process.

    A daemon whose file cannot be written runs all the same: a warning says so.
    """
    path = directory / f"{_PREFIX}{daemon.pid}{_SUFFIX}"
    descriptor = _written(path, daemon)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):  # a file that nobody has locked counts as none
                path.unlink(missing_ok=True)
            os.close(descriptor)


def _written(path: Path, daemon: RunningDaemon) -> int | None:
    """Return the locked file; it appears whole and locked, or not at all."""
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, msgspec.json.encode(daemon))
        draft.rename(path)
    except OSError as error:
        _LOG.warning("`%s` cannot be written (%s): `arawn status` will know less", path, error.strerror)
        return None
    return descriptor


def running_daemons(directory: Path) -> list[RunningDaemon]:
    """Return the daemons that live now, by their files in `directory`; a file that a killed one left is removed."""
    found = (_living(path) for path in sorted(directory.glob(f"{_PREFIX}*{_SUFFIX}")))
    return [daemon for daemon in found if daemon is not None]


def _living(path: Path) -> RunningDaemon | None:
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return msgspec.json.decode(file.read(), type=RunningDaemon)
            path.unlink(missing_ok=True)
    except (OSError, msgspec.DecodeError):  # it went meanwhile, or is none of ours
        return None
    return None
