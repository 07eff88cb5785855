"""What to do when SQLite fails, by the name of its error. Pure."""

from __future__ import annotations

import sqlite3

__all__ = ["remedy"]

_REMEDIES = {
    "SQLITE_BUSY": "another program holds it: end that program, or wait until it is done",
    "SQLITE_LOCKED": "another program holds it: end that program, or wait until it is done",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_IOERR": "make room on the disk, or check it",
}


def remedy(error: Exception) -> str:
    """Return what would make the database work again, as the end of a message."""
    name = getattr(error, "sqlite_errorname", None) or ""  # such as SQLITE_IOERR_WRITE
    for known, found in _REMEDIES.items():
        if name.startswith(known):
            return found
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return "it is damaged or no such database: restore a copy, or move it away to begin a new one"
    return "`workstreams.database` must name a file in a directory that this user may write to"
