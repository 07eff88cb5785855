"""The workstreams in SQLite: settings and history. Synchronous; the store actor alone owns it."""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Container, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from arawn.errors import BadInput, StoreFailed
from arawn.interactions.filesystem import Filesystem, make_directories
from arawn.messages import Message
from arawn.workstreams.names import require_name, require_new_name
from arawn.workstreams.store_file import StoreFile, foreign_link, orphaned_journal
from arawn.workstreams.store_lock import StoreLock
from arawn.workstreams.store_schema import migrate

__all__ = ["Summary", "WorkstreamState", "WorkstreamStore", "require_name"]

_BUSY_MS = 5_000
_ALONE = ("BEGIN IMMEDIATE", "ROLLBACK", "COMMIT")
_NESTED = ("SAVEPOINT one", "ROLLBACK TO one", "RELEASE one")
_REMEDIES = {
    "SQLITE_BUSY": "another program holds it: end that program, or wait until it is done",
    "SQLITE_LOCKED": "another program holds it: end that program, or wait until it is done",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_IOERR": "make room on the disk, or check it",
}
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class WorkstreamState(msgspec.Struct, frozen=True, kw_only=True):
    """One workstream as it is stored; `turns` is the number of turns in `history`."""

    name: str
    profile: str | None = None
    system_prompt: str | None = None
    tags: dict[str, str] = {}
    archived: bool = False
    turns: int = 0
    history: tuple[Message, ...] = ()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a listing; times are ISO 8601, UTC."""

    name: str
    profile: str | None
    tags: dict[str, str]
    archived: bool
    turns: int
    created: str
    updated: str


class WorkstreamStore:
    """Reads and writes the database. Every write is one transaction, on the disk when the method returns.

    Anyone may read; a write has the lock of the database for its time, or fails.
    Every method raises `StoreFailed` when SQLite does, and in a process that was forked from the one that opened it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._grouped = False
        self._damage: str | None = None
        self._lock = StoreLock(path)
        with self._explained("open"):
            self._refuse(foreign_link(path) or orphaned_journal(path), "open")
            make_directories(Filesystem(), path.parent)
            with ExitStack() as undo:
                self._db = undo.enter_context(
                    closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
                )
                self._set_up(path)
                undo.pop_all()

    def _set_up(self, path: Path) -> None:
        self._db.row_factory = sqlite3.Row
        path.chmod(0o600)
        self._db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        migrate(self._db, path)
        self._file = StoreFile(path)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards.

        A forked process leaves it open to its end: SQLite would write back, and delete, what its parent's last writes
        are in.
        """
        if self._lock.is_inherited:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))  # nor is it closed as garbage
        else:
            self._db.close()
        self._lock.release()

    def hold(self) -> None:
        """Have the lock until `close`: whoever keeps in memory what is stored must be the only one who changes it.

        Raises:
            StoreFailed: Somebody else has it, or it cannot be had.
        """
        with self._explained("lock"):
            self._lock.take()

    def fault(self) -> str | None:
        """Return what is wrong with the database, in a sentence; None if nothing is known. Any thread may ask."""
        wrong = self._damage or self._file.fault()
        return None if wrong is None else f"the workstream database `{self._path}` cannot be used: {wrong}"

    def load(self, name: str) -> WorkstreamState | None:
        """Return one workstream with its whole history, or None."""
        with self._explained("read"):
            row = self._db.execute(
                "SELECT name, profile, system_prompt, tags, archived FROM workstreams WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                return None
            rows = self._db.execute(
                "SELECT turn, message FROM messages WHERE workstream = ? ORDER BY turn, position", (name,)
            ).fetchall()
            history = tuple(msgspec.json.decode(text, type=Message) for _, text in rows)
        return WorkstreamState(**_fields(row), turns=rows[-1]["turn"] if rows else 0, history=history)

    def binding(self, name: str) -> str | None:
        """Return the profile that one workstream is bound to; None if to none, or if there is no such workstream."""
        with self._explained("read"):
            row = self._db.execute("SELECT profile FROM workstreams WHERE name = ?", (name,)).fetchone()
        return None if row is None else row["profile"]

    def list(self, *, archived: bool = False) -> list[Summary]:
        """Return the workstreams by name, the archived ones only if asked for."""
        with self._explained("read"):
            rows = self._db.execute(
                "SELECT name, profile, tags, archived, created, updated,"
                " (SELECT coalesce(max(turn), 0) FROM messages WHERE workstream = name) AS turns"
                " FROM workstreams WHERE archived <= ? ORDER BY name",
                (int(archived),),
            ).fetchall()
        return [Summary(**_fields(row)) for row in rows]

    def create(self, state: WorkstreamState) -> None:
        """Add a workstream with its settings, and no history.

        Raises:
            BadInput: There is one of that name.
        """
        with self._transaction("write"):
            made = self._insert_row(state)
        if not made:
            raise BadInput(
                f"there is a workstream `{state.name}` already; `arawn workstreams show {quote(state.name)}` shows it"
            )

    def add_turn(
        self,
        state: WorkstreamState,
        turn: int,
        messages: tuple[Message, ...],
        interaction_id: str | None,
        *,
        first: int = 0,
    ) -> None:
        """Write the messages of a turn from place `first` on, over what is stored there; a new workstream is made."""
        rows = [
            (state.name, turn, position, msgspec.json.encode(message).decode(), interaction_id)
            for position, message in enumerate(messages, first)
        ]
        with self._transaction("write"):
            self._insert_row(state)
            self._db.executemany("INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("UPDATE workstreams SET updated = ? WHERE name = ?", (_now(), state.name))

    def change(self, state: WorkstreamState, given: Container[str]) -> bool:
        """Give a workstream the settings of `state` that `given` names; return whether there is one.

        It is made if they bind it. What is not named stays as it is stored: another process may have changed it.
        """
        settings = {name: value for name, value in _columns(state).items() if name in given} | {"updated": _now()}
        columns = ", ".join(f"{name} = ?" for name in settings)
        with self._transaction("write"):
            if state.profile is not None:
                self._insert_row(state)
            statement = f"UPDATE workstreams SET {columns} WHERE name = ?"  # noqa: S608  # names from above
            return self._db.execute(statement, (*settings.values(), state.name)).rowcount > 0

    def remove(self, name: str) -> bool:
        """Delete a workstream and its history; return whether there was one. Its log records stay."""
        with self._transaction("write"):
            return self._db.execute("DELETE FROM workstreams WHERE name = ?", (name,)).rowcount > 0

    @contextmanager
    def group(self) -> Iterator[None]:
        """Put all writes of the block on the disk together, when it ends; each still undoes itself if it fails."""
        with self._transaction("write"):
            self._grouped = True
            try:
                yield
            finally:
                self._grouped = False

    def _insert_row(self, state: WorkstreamState) -> bool:
        now = _now()
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO workstreams VALUES (?, ?, ?, ?, ?, ?, ?)",
            (state.name, *_columns(state).values(), now, now),
        )
        made = cursor.rowcount > 0
        if made:
            require_new_name(state.name)  # raised within the transaction, which undoes it
        return made

    @contextmanager
    def _transaction(self, verb: str) -> Iterator[None]:
        begin, undo, end = _NESTED if self._grouped else _ALONE
        with self._explained(verb), self._lock.held():
            if self._grouped and not self._db.in_transaction:
                raise sqlite3.OperationalError("the writes of the same moment were undone together")
            self._refuse(None if self._grouped else self._file.fault(), verb)
            self._db.execute(begin)
            try:
                yield
                self._db.execute(end)
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute(undo)
                raise
            if not self._grouped:  # what is in no file that has a name is not kept
                self._refuse(self._file.fault(), verb)

    def _refuse(self, fault: str | None, verb: str) -> None:
        if fault is not None:
            raise StoreFailed(f"cannot {verb} the workstream database `{self._path}`: {fault}")

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        if self._lock.is_inherited:
            self._refuse("it is that of the process from which this one was forked; open it anew in this one", verb)
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, RecursionError) as error:  # a ValueError: text or JSON that is none
            if _is_damage(error):
                self._damage = f"{error}; {_remedy(error)}"
            raise StoreFailed(
                f"cannot {verb} the workstream database `{self._path}`: {error}; {_remedy(error)}"
            ) from error


def _columns(state: WorkstreamState) -> dict[str, str | int | None]:
    """Return the settings of a workstream as they are stored, in the order of the columns."""
    return {
        "profile": state.profile,
        "system_prompt": state.system_prompt,
        "tags": msgspec.json.encode(state.tags).decode(),
        "archived": int(state.archived),
    }


def _fields(row: sqlite3.Row) -> dict[str, Any]:
    """Return what a row holds, by the names of the columns."""
    return {
        **row,
        "tags": msgspec.json.decode(row["tags"], type=dict[str, str]),
        "archived": bool(row["archived"]),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_damage(error: Exception) -> bool:
    """Say whether the database itself is broken: no wait and no room on the disk will mend it."""
    return _name(error).startswith(_DAMAGE)


def _remedy(error: Exception) -> str:
    """Return what would make the database work again, as the end of a message."""
    for known, found in _REMEDIES.items():
        if _name(error).startswith(known):
            return found
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return "it is damaged or no such database: restore a copy, or move it away to begin a new one"
    return "`workstreams.database` must name a file in a directory that this user may write to"


def _name(error: Exception) -> str:
    """Return SQLite's name of the error, such as `SQLITE_IOERR_WRITE`; "" if it is none of SQLite's."""
    return getattr(error, "sqlite_errorname", None) or ""
