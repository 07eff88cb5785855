"""What it means when SQLite fails, and what to do, by the name of its error. Pure."""

from __future__ import annotations

import sqlite3

__all__ = ["is_damage", "remedy"]

_REMEDIES = {
    "SQLITE_BUSY": "another program holds it: end that program, or wait until it is done",
    "SQLITE_LOCKED": "another program holds it: end that program, or wait until it is done",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_IOERR": "make room on the disk, or check it",
}
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def is_damage(error: Exception) -> bool:
    """Say whether the database itself is broken: no wait and no room on the disk will mend it."""
    return _name(error).startswith(_DAMAGE)


def remedy(error: Exception) -> str:
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
