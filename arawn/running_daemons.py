"""Which daemons run, and where: a file each in the runtime directory, locked for as long as its daemon lives.

It tells where a daemon is when the configuration cannot be read, and what no socket tells: that a daemon which does not
answer is still there. A daemon that fails says why in it as it ends, for whoever has it open by then: the file has its
block of the disk, so a few words more find room on a full one.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from arawn.interactions.filesystem import Filesystem, make_directories
from arawn.owners import stranger

__all__ = ["RunningDaemon", "announced", "last_words", "path_text", "running_daemons"]

_LOG = logging.getLogger("arawn.daemon")
_PREFIX, _SUFFIX = "daemon-", ".json"
_LONGEST_WORDS = 1000
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_WORDLESS = "it could not leave word why; its stderr says"


class RunningDaemon(msgspec.Struct, frozen=True, omit_defaults=True):
    """A daemon: its process, its socket (None without one), and the files of its configuration; paths are absolute.

    `listen` is its `server.listen`, `address` the URL by which this machine reaches what it listens on (None of an
    older version), and `guarded` whether a token is asked for there.
    `failed` is why it did not end in order; `stopping` says that it takes no more calls.
    """

    pid: int
    socket: str | None
    files: tuple[str, ...]
    failed: str | None = None
    stopping: bool = False
    listen: str | None = None
    address: str | None = None
    guarded: bool = False


def path_text(path: Path) -> str:
    """Return an absolute path as it stands in a `RunningDaemon`: bytes in it that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def announced(directory: Path, daemon: RunningDaemon) -> Iterator[Callable[[], None]]:
    """Have `running_daemons` find `daemon` for as long as the block lasts, or the process.

    What is yielded has it found as one that is stopping.

    A daemon whose file cannot be written runs all the same: a warning says so. An error that ends the block is told to
    those who listen for `last_words`.
    """
    path = _file(directory, daemon.pid)
    descriptor = _written(path, daemon)
    try:
        yield lambda: None if descriptor is None else _mark_stopping(descriptor, daemon)
    except Exception as error:
        if descriptor is not None:
            _leave_word(descriptor, msgspec.structs.replace(daemon, failed=_reason(error)[:_LONGEST_WORDS]))
        raise
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):  # a file that nobody has locked counts as none
                path.unlink(missing_ok=True)
            os.close(descriptor)


def _file(directory: Path, pid: int) -> Path:
    return directory / f"{_PREFIX}{pid}{_SUFFIX}"


def _reason(error: Exception) -> str:
    """Return what `error` says; of a group, what the first error in it says."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def _mark_stopping(descriptor: int, daemon: RunningDaemon) -> None:
    """Write it into the file; where there is no room for it, what stood there is put back, for which there is."""
    before, marked = (msgspec.json.encode(each) for each in (daemon, msgspec.structs.replace(daemon, stopping=True)))
    with contextlib.suppress(OSError):
        if os.pwrite(descriptor, marked, 0) == len(marked):
            return
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, before, 0)
        os.ftruncate(descriptor, len(before))


def _leave_word(descriptor: int, daemon: RunningDaemon) -> None:
    """Write over what stands in the file; where even that is refused, what is left in it is no daemon's file."""
    written = 0
    with contextlib.suppress(OSError):  # the daemon says it on stderr in any case
        written = os.pwrite(descriptor, msgspec.json.encode(daemon), 0)
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, written)


@contextmanager
def last_words(directory: Path, pid: int) -> Iterator[Callable[[], str | None]]:
    """Yield what tells, once the process has ended, why its daemon failed; None if it ended in order, or left no file.

    It is asked within the block; the block is entered while the daemon lives, since its file goes with it.
    """
    try:
        file = _file(directory, pid).open("rb")
    except OSError:
        yield lambda: None
        return
    with file:
        yield lambda: _last_word(file.read())


def _last_word(content: bytes) -> str | None:
    try:
        return msgspec.json.decode(content, type=RunningDaemon).failed
    except _UNREADABLE:
        return _WORDLESS


def _written(path: Path, daemon: RunningDaemon) -> int | None:
    """Return the locked file; it appears whole and locked, or not at all."""
    draft = path.with_suffix(".draft")
    try:
        make_directories(Filesystem(), path.parent)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)  # whatever the umask
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, msgspec.json.encode(daemon))
        draft.rename(path)
    except OSError as error:
        _LOG.warning("`%s` cannot be written (%s): `arawn status` will know less", path, error.strerror)
        return None
    return descriptor


def running_daemons(directory: Path) -> list[RunningDaemon]:
    """Return the daemons that live now, by their files in `directory`; a file that a killed one left is removed.

    None where this user may not look: files of another user count for nothing anyway.
    """
    try:
        files = sorted(directory.glob(f"{_PREFIX}*{_SUFFIX}"))
    except PermissionError:
        return []
    return [daemon for daemon in map(_living, files) if daemon is not None]


def _living(path: Path) -> RunningDaemon | None:
    try:
        with path.open("rb") as file:
            if stranger(os.fstat(file.fileno())) is not None:  # what it names would be sent signals
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(*_UNREADABLE):  # it may just write that it stops: then once more
                    return msgspec.json.decode(file.read(), type=RunningDaemon)
                return msgspec.json.decode(path.read_bytes(), type=RunningDaemon)
            path.unlink(missing_ok=True)
    except (OSError, *_UNREADABLE):  # it went meanwhile, or is none of ours
        return None
    return None
