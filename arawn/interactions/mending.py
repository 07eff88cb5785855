"""Holds a log directory for a command that rewrites files in it, and replaces them one by one in a single step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.compact import seal
from arawn.interactions.day_log import DayLog
from arawn.interactions.directory import LogInUse
from arawn.interactions.files import DayFile, day_files, unfinished_name
from arawn.interactions.filesystem import Filesystem, is_regular
from arawn.interactions.lock_file import Owner, is_held_by, read_owner
from arawn.interactions.opening import open_day_log
from arawn.interactions.part import open_part
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.interactions.whole_file import write_whole

__all__ = ["Mending", "open_mending", "stretch"]

_BLOCK = 1 << 18


class Mending:
    """A log directory that this process alone writes to. Use `open_mending` to make one.

    `narrowed` names what others could reach and cannot since it is open: `.`, the directory itself, or nothing.
    `unwritten` is how many records the writer before took and never wrote: they were declared as it was opened.
    """

    def __init__(self, log: DayLog, directory: Path, filesystem: Filesystem, clock: Callable[[], datetime]) -> None:
        self.directory = directory
        self.narrowed: tuple[str, ...] = ()
        self.unwritten = 0
        self.filesystem = filesystem
        self.clock = clock
        self._log = log

    @property
    def writer(self) -> str:
        """The name under which this process writes to the log."""
        return self._log.writer

    def declare(self, event: Literal["repair", "removal"], detail: dict[str, Any]) -> None:
        """Write and sync a mark.

        Raises:
            LogWriteFailed: It is not on the disk.
        """
        self._log.append([MarkLine(event=event, detail=detail, timestamp=timestamp_text(self.clock()))])
        self._log.sync()

    @contextmanager
    def files_released(self) -> Iterator[None]:
        """Hold no file open inside the block, so that each of them can be replaced.

        Raises:
            LogWriteFailed: What was written before is not on the disk; the block has not begun.
            OSError: The newest file cannot be opened again.
        """
        self._log.sync()
        self._log.release_files()
        try:
            yield
        finally:
            files = day_files(self.filesystem.names(self.directory))
            newest = [file for file in files if is_regular(self.filesystem, self.directory / file.name)][-1]
            self._log.newest_day = newest.day
            if not newest.compressed:
                self._log.adopt(open_part(self.filesystem, self.directory, newest, keeps_unsynced=True))

    def replace(self, target: Path, pieces: Iterable[bytes]) -> None:
        """Put a file of `pieces` in the place of `target` in one step: a crash leaves the old one or the new one.

        Raises:
            OSError: Anything that the system refused; `target` is as it was.
        """
        write_whole(self.filesystem, target, pieces)

    def seal(self, file: DayFile, lines: Iterable[bytes]) -> None:
        """Put a compressed file of `lines`, and its manifest, in the place of what is there of `file`; as `replace`.

        Raises:
            LogWriteFailed: What was written does not read back as what was to be written.
            OSError: Anything that the system refused.
        """
        text = self.directory / unfinished_name(file.plain.name)
        self.replace(text, lines)
        for _ in seal(self.filesystem, self.directory, file.plain, text):
            pass

    def remove(self, *paths: Path) -> None:
        """Remove files for good.

        Raises:
            OSError: Anything that the system refused.
        """
        for path in paths:
            self.filesystem.unlink(path)
        if paths:
            self.filesystem.fsync_directory(self.directory)


@contextmanager
def open_mending(
    directory: Path, config: InteractionLogConfig, *, filesystem: Filesystem, clock: Callable[[], datetime]
) -> Iterator[Mending]:
    """Take the lock of `directory` and hold it for the block. Torn tails are moved aside on the way in.

    What stands in the place of a day's file and is none, or cannot be opened, is left alone.

    Raises:
        LogInUse: Somebody is writing there; the message says who, and what to do.
        LogWriteFailed: The system refused; one sentence says what to do.
    """
    was_open, unwritten = _is_open(directory), _unwritten(filesystem, directory)
    try:
        opened = open_day_log(directory, config, filesystem=filesystem, clock=clock, links="passed over")
    except LogInUse as error:
        owner = read_owner(filesystem, directory)
        if owner is None or owner.pid == os.getpid():
            raise
        raise LogInUse(_held_by(owner, directory)) from error
    with closing(opened) as log:
        mending = Mending(log, directory, filesystem, clock)
        mending.unwritten = unwritten
        if was_open and not _is_open(directory):
            mending.narrowed = (".",)
        yield mending


def stretch(path: Path, first: int, end: int) -> Iterator[bytes]:
    """Yield the bytes of a file from `first` up to `end`, in blocks.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as source:
        source.seek(first)
        for begins in range(first, end, _BLOCK):
            yield source.read(min(_BLOCK, end - begins))


def _is_open(directory: Path) -> bool:
    return directory.stat().st_mode & 0o077 != 0


def _unwritten(filesystem: Filesystem, directory: Path) -> int:
    try:
        owner = read_owner(filesystem, directory)
    except OSError:
        return 0  # the log cannot be opened either, which says why
    return owner.unwritten.count if owner is not None and owner.unwritten is not None else 0


def _held_by(owner: Owner, directory: Path) -> str:
    end_it = f", or with `kill {owner.pid}`" if is_held_by(directory, owner.pid) else ""  # never somebody else's number
    return (
        f"process {owner.pid} (started {owner.started}) writes to the interaction log in `{directory}`, whose files "
        "this command changes; if it is a daemon, end it with `arawn stop` where `ARAWN_RUNTIME_DIR` is as it was at "
        f"its start{end_it}; if not, wait until it has ended; then run this command again"
    )
