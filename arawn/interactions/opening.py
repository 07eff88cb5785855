"""Opens a log directory: claims it, repairs what a crash left, and goes on with the day's file."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.directory import ClaimedDirectory, claim, let_go, require_directory
from arawn.interactions.files import DayFile, aside_name, day_files
from arawn.interactions.filesystem import Filesystem, write_fully
from arawn.interactions.lock_file import Owner, write_owner
from arawn.interactions.part import open_part
from arawn.interactions.record import GapLine, MarkLine, timestamp_text
from arawn.interactions.whole_file import new_file, opened

__all__ = ["now_utc", "open_day_log", "require_no_link", "warn_without_room"]

_LOG = logging.getLogger("arawn.log")
_UNUSABLE = (errno.EACCES, errno.EPERM, errno.EIO)  # this user may not open a file, or the disk is bad
_BLOCK = 65_536
_LEAST_BYTES = 16 << 20  # free on a disk, some thousand records: less is gone before anybody looks


class TornTail(msgspec.Struct, frozen=True):
    """What was cut off, from which file, and where it is kept now."""

    file: str
    torn_bytes: int
    torn_file: str


def now_utc() -> datetime:
    """Return the time of day, with its zone."""
    return datetime.now(UTC)


def warn_without_room(directory: Path) -> None:
    """Log a warning if the disk of `directory`, which exists, has next to no room left: it may take the first lines."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        _LOG.warning("interaction log: cannot see how much room the disk of `%s` has: %s", directory, error.strerror)
        return
    if free < _LEAST_BYTES:
        _LOG.warning(
            "interaction log: the disk of `%s` is nearly full, %d MiB are free; make room: without it calls wait for "
            "the log, and what is not written at the stop is lost",
            directory,
            free >> 20,
        )


def open_day_log(
    directory: Path,
    config: InteractionLogConfig,
    *,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
    token: Callable[[int], str] = secrets.token_hex,
    links: Literal["refused", "passed over"] = "refused",
    config_sha256: str | None = None,
) -> DayLog:
    """Claim `directory`, repair what a crash left, and open the day's file.

    A file that is there and cannot be read or written to is left alone; what is written goes to another one.

    Args:
        directory: The log directory, made when missing.
        config: `sync` decides what is kept in memory until it is safe.
        filesystem: A simulation in tests.
        clock: Returns the time of day, with its zone.
        token: Returns that many random bytes as hexadecimal text.
        links: What is done about a symbolic link in the place of a day's file, which is never followed.
        config_sha256: Of the whole configuration, for the `start` mark; None for a command that mends or adds.

    Raises:
        LogWriteFailed: Another process writes there, a link is refused (nothing was changed), or the system refused;
            one sentence says what to do.
    """
    filesystem = filesystem or Filesystem()
    try:
        claimed = claim(filesystem, directory, now=clock(), token=token)
        try:
            files = _regular_files(filesystem, directory, links)
            return _open_claimed(
                filesystem, claimed, files, config, clock=clock, token=token, config_sha256=config_sha256
            )
        except BaseException:
            let_go(filesystem, claimed)
            raise
    except OSError as error:
        file = f"`{Path(error.filename).name}`: " if error.filename is not None else ""
        right = "make it a directory that this user may write to, or set `logging.interactions.path` to one"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            right = "make room on that disk, or set `logging.interactions.path` to a directory on another"
        raise LogWriteFailed(
            f"cannot open the interaction log in `{directory}`: {file}{error.strerror}; {right}"
        ) from error


def require_no_link(filesystem: Filesystem, directory: Path) -> None:
    """Return if nothing in `directory`, which is there, is a link or another thing that `open_day_log` would refuse.

    Raises:
        LogWriteFailed: Something is. Nothing was changed, whether or not.
    """
    require_directory(filesystem, directory)
    for file in day_files(filesystem.names(directory)):
        if not file.compressed and stat.S_ISLNK(filesystem.lstat(directory / file.name).st_mode):
            raise _refused(directory / file.name)


def _open_claimed(
    filesystem: Filesystem,
    claimed: ClaimedDirectory,
    files: Sequence[DayFile],
    config: InteractionLogConfig,
    *,
    clock: Callable[[], datetime],
    token: Callable[[int], str],
    config_sha256: str | None,
) -> DayLog:
    now, keeps_unsynced = clock(), config.sync != "off"
    torn, unreadable = _repair(filesystem, claimed.path, files, now)
    filesystem.fsync_directory(claimed.path)
    log = DayLog(
        filesystem,
        claimed,
        writer=f"{claimed.id}-{token(4)}",
        keeps_unsynced=keeps_unsynced,
        clock=clock,
        newest_day=max([timestamp_text(now)[:10], *(file.day for file in files)]),
    )
    if files and not files[-1].compressed and files[-1] not in unreadable:
        log.adopt(open_part(filesystem, claimed.path, files[-1], keeps_unsynced=keeps_unsynced))
    try:
        at = timestamp_text(now)
        log.append([*_first_marks(torn, config_sha256, at), *_gaps(claimed.owner, at)])
        if claimed.owner.unwritten is not None:
            log.sync()
            write_owner(filesystem, claimed.path, msgspec.structs.replace(claimed.owner, unwritten=None))
    except BaseException:
        log.release_files()
        raise
    return log


def _regular_files(filesystem: Filesystem, path: Path, links: Literal["refused", "passed over"]) -> list[DayFile]:
    """Return the parts, without what else stands under such a name."""
    files = []
    for file in day_files(filesystem.names(path)):
        mode = filesystem.lstat(path / file.name).st_mode
        if stat.S_ISLNK(mode) and links == "refused" and not file.compressed:
            raise _refused(path / file.name)
        if stat.S_ISREG(mode) or file.compressed:
            files.append(file)
        else:
            _LOG.warning("%s is not a regular file; it is passed over", path / file.name)
    return files


def _refused(link: Path) -> LogWriteFailed:
    return LogWriteFailed(
        f"cannot open the interaction log: `{link}` is a symbolic link, which the log never follows; put the file "
        "itself in its place, or move the link out of the directory"
    )


def _repair(
    filesystem: Filesystem, path: Path, files: Sequence[DayFile], now: datetime
) -> tuple[list[TornTail], list[DayFile]]:
    """Repair the tail of every file that is not compressed; return what was torn, and what cannot be written to."""
    torn: list[TornTail] = []
    unreadable: list[DayFile] = []
    for file in files:
        if file.compressed:
            continue
        try:
            tail = _repair_file(filesystem, path / file.name, now)
        except OSError as error:
            if error.errno not in _UNUSABLE:
                raise
            _LOG.warning("%s cannot be used (%s); it is left as it is", path / file.name, error.strerror)
            unreadable.append(file)
            continue
        if tail is not None:
            torn.append(tail)
            _LOG.warning("%s ended in half a line after a crash; moved it to %s", tail.file, tail.torn_file)
    return torn, unreadable


def _repair_file(filesystem: Filesystem, path: Path, now: datetime) -> TornTail | None:
    """Have a file end with a whole line, reading from its end only; return what was moved away, if anything had to be.

    The tail is on the disk elsewhere before the file is cut, so a crash in between loses nothing.
    """
    with opened(filesystem, path, os.O_RDWR) as fd:
        size = filesystem.size(fd)
        whole = _end_of_last_line(filesystem, fd, size)
        torn = _moved_aside(filesystem, path, fd, range(whole, size), now) if whole < size else None
        if torn is not None:
            filesystem.ftruncate(fd, whole)
        filesystem.fdatasync(fd)  # a killed writer may have left lines unsynced, around midnight in two files
    return torn


def _moved_aside(filesystem: Filesystem, path: Path, fd: int, tail: range, now: datetime) -> TornTail:
    aside = path.with_name(aside_name(path.name, "torn", now, filesystem.names(path.parent)))
    with new_file(filesystem, aside, os.O_WRONLY | os.O_EXCL) as out:  # each try on a full disk would leave one more
        for offset in tail[::_BLOCK]:
            write_fully(filesystem, out, filesystem.pread(fd, min(_BLOCK, tail.stop - offset), offset))
        filesystem.fdatasync(out)
    filesystem.fsync_directory(path.parent)
    return TornTail(file=path.name, torn_bytes=len(tail), torn_file=aside.name)


def _end_of_last_line(filesystem: Filesystem, fd: int, size: int) -> int:
    end = size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = filesystem.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _gaps(owner: Owner, at: str) -> list[GapLine]:
    """Return what the writer before could not write, as the line that declares it."""
    lost = owner.unwritten
    return [GapLine(count=lost.count, reason=lost.reason, timestamp=at)] if lost is not None else []


def _first_marks(torn: Sequence[TornTail], config_sha256: str | None, at: str) -> list[MarkLine]:
    detail = {"pid": os.getpid(), "config_sha256": config_sha256}
    recoveries = [MarkLine(event="recovery", detail=msgspec.structs.asdict(tail), timestamp=at) for tail in torn]
    return [*recoveries, MarkLine(event="start", detail=detail, timestamp=at)]
