"""What may be wrong around Arawn on this machine: its files, its disk, its clock. Looks, and changes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from arawn.cli.failures import system_words
from arawn.cli.places import exposed_directories, impossible_places
from arawn.config.paths import database_path, interactions_dir, socket_path
from arawn.config.schema import Config, InteractionLogConfig
from arawn.errors import LogWriteFailed, StoreFailed
from arawn.interactions.ahead import files_ahead, what_is_ahead
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import plan_deletion
from arawn.interactions.opening import require_no_link
from arawn.status import UNSYNCED
from arawn.workstreams.store_file import HEADER_BYTES, foreign_link, header_fault, journal_of, orphaned_journal
from arawn.workstreams.store_schema import migrate

__all__ = ["Finding", "as_found", "look_around"]

_ROOM_BYTES = 256 << 20  # less is soon used up by records, and by the room that compressing a day needs
_BUSY_S = 2.0
_SOCKET_PATH_BYTES = 107  # what `open_unix_listener` takes


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what, whether it is well, and in words what was found and what to do."""

    what: str
    ok: bool
    found: str


def look_around(
    config: Config, environ: Mapping[str, str], now: datetime, *, database_fault: str | None = None
) -> Iterator[Finding]:
    """Yield how directories, disk, database and clock are, whether or not a daemon runs.

    A place that cannot be looked at is one of its findings, and hides nothing of the others.

    Args:
        config: The configuration.
        environ: The process environment.
        now: The time, with its zone.
        database_fault: What a running daemon says is wrong with the database, which is then left alone.
    """
    impossible = [*impossible_places(config, environ), *_too_long(socket_path(config, environ))]
    wrong = impossible or list(exposed_directories(config, environ))
    yield from (Finding("files", False, text) for text in wrong)
    if not wrong:
        yield Finding("files", True, "every place can be written to, and not by other users")
    if config.logging.interactions.enabled:
        log = interactions_dir(config, environ)
        yield from as_found("log", _of_log(log, config.logging.interactions, now.astimezone(UTC).date()))
    else:
        yield Finding("log", True, "off: calls leave no record (`logging.interactions.enabled = false`)")
    yield from as_found("workstreams", _of_workstreams(database_path(config, environ), database_fault))


def as_found(what: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings; what the system refuses is one, and what the log refuses, with what would be right."""
    try:
        yield from findings
    except LogWriteFailed as error:
        yield Finding(what, False, str(error))
    except OSError as error:
        yield Finding(what, False, f"cannot be read: {system_words(error)}")


def _of_log(log: Path, config: InteractionLogConfig, today: date) -> Iterator[Finding]:
    yield _room("log", log)
    if os.path.lexists(log):
        require_no_link(Filesystem(), log)
    if config.sync == "off":
        yield Finding("log", True, UNSYNCED)
    if log.is_dir():
        yield _clock(log, today, config.retention_days)


def _of_workstreams(database: Path, database_fault: str | None) -> Iterator[Finding]:
    yield _room("workstreams", database.parent)
    orphaned = foreign_link(database) or orphaned_journal(database)
    if database_fault is not None:
        yield Finding("workstreams", False, database_fault)
    elif orphaned is not None:
        yield Finding("workstreams", False, f"`{database}` cannot be used: {orphaned}")
    elif database.exists():
        yield _database(database)


def _too_long(socket: Path | None) -> Iterator[str]:
    size = 0 if socket is None else len(os.fsencode(socket))
    if size > _SOCKET_PATH_BYTES:
        yield (
            f"server.socket: `{socket}` has {size} bytes, and a Unix socket path may have {_SOCKET_PATH_BYTES}; "
            "give a shorter one, or set `ARAWN_RUNTIME_DIR` to a directory with a short path"
        )


def _room(what: str, directory: Path) -> Finding:
    """Say whether the disk has room; `directory` need not exist yet."""
    nearest = next(path for path in (directory.absolute(), *directory.absolute().parents) if os.path.lexists(path))
    if not nearest.is_dir():
        return Finding(what, False, f"`{directory}` cannot be a directory, since `{nearest}` is none")
    total, _, free = shutil.disk_usage(nearest)
    if not total:  # as of `/proc`, which keeps no files, and of memory without a bound, which does
        return _unsized(what, directory, nearest)
    if free >= _ROOM_BYTES:
        return Finding(what, True, f"{free >> 20:,} MiB are free at `{directory}`")
    return Finding(
        what,
        False,
        f"the disk of `{directory}` is nearly full, {free >> 20:,} MiB are free; make room, calls will wait",
    )


def _unsized(what: str, directory: Path, nearest: Path) -> Finding:
    if directory.exists():
        return Finding(what, True, f"how much is free at `{directory}` cannot be seen: its file system has no size")
    return Finding(
        what,
        False,
        f"`{directory}` is not there, and the file system of `{nearest}` has no size and may keep no files; make the "
        "directory, or give another path",
    )


def _clock(log: Path, today: date, retention_days: int) -> Finding:
    """Say whether the days of the log fit to today, the UTC day."""
    names = [path.name for path in log.iterdir()]
    if far := files_ahead(names, today):
        return Finding("clock", False, f"`{log}`: {what_is_ahead(far[-1], today)}")
    ahead = [file for file in day_files(names) if file.day > today.isoformat()]
    plan = plan_deletion(Filesystem(), log, today, retention_days)
    held_until = plan.last_run.held_until
    if ahead:
        found = f"today is {today} by the clock (UTC), and `{log / ahead[-1].name}` is of a later day"
        once = f"it was ahead once, and until {ahead[-1].day} records go into files of that day; wait until then"
        what_to_do = f"if the clock is behind, set it right; if it is right, {once}"
        return Finding("clock", False, f"{found}: {what_to_do}")
    if held_until is not None:
        words = f"the clock is more than `retention_days` ahead of the last run, {today}: if it is wrong, set it right"
        return Finding("clock", False, f"{words}; if it is right, wait: nothing is deleted before {held_until}")
    return Finding("clock", True, f"today is {today} (UTC), and no file of the log is of a later day")


def _database(path: Path) -> Finding:
    """Say whether the database is sound, and can be written, by taking its lock for a moment.

    SQLite is not let near a file that is none of its own: where it finds one empty, it deletes the writes beside it.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(HEADER_BYTES)
    except OSError as error:
        return Finding("workstreams", False, f"`{path}` cannot be read: {error.strerror}; check its owner and its mode")
    fault = header_fault(beginning) if beginning else None  # an empty one is still to be made
    if fault is not None:
        return Finding("workstreams", False, f"`{path}` is damaged: {fault}")
    try:
        verdict = _verdict(path)
    except StoreFailed as error:
        return Finding("workstreams", False, str(error))
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return Finding("workstreams", False, f"`{path}` is locked by another program; end that program")
        return Finding("workstreams", False, f"`{path}` cannot be opened: {error}; check its owner and its mode")
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict == "ok":
        return Finding("workstreams", True, f"`{path}` is sound")
    return Finding(
        "workstreams", False, f"`{path}` is damaged: {verdict}; stop the daemon, restore a backup, start again"
    )


def _verdict(path: Path) -> str:
    """Return what SQLite finds wrong, "ok" if nothing, and leave the journal as it is.

    Whoever closes a database as the last one deletes its journal. Where the file is not the one that a daemon has open,
    that would be the daemon's. A reader cannot, and as long as it reads, nobody else can: it is the last to close.

    Raises:
        StoreFailed: It is sound, and nothing that this Arawn can use.
    """
    mode = "ro" if journal_of(path).exists() else "rw"  # without a journal a reader would leave one behind
    with closing(_connected(path, mode)) as reader:
        reader.execute("BEGIN")
        (verdict,) = reader.execute("PRAGMA integrity_check(1)").fetchone()
        with closing(_connected(path, "rw")) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("ROLLBACK")
        reader.execute("PRAGMA query_only = ON")
        has_tables = reader.execute("PRAGMA user_version").fetchone()[0] > 0
        if verdict == "ok" and has_tables:
            migrate(reader, path)  # changes nothing, and refuses what is newer
    return str(verdict)


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
