"""The tables of the workstream database, and its version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from arawn.errors import StoreFailed

__all__ = ["migrate"]

_VERSION = 1
_TABLES = """
CREATE TABLE workstreams (
    name TEXT PRIMARY KEY,
    profile TEXT,
    system_prompt TEXT,
    tags TEXT NOT NULL DEFAULT '{}',
    archived INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    updated TEXT NOT NULL
) STRICT;
CREATE TABLE messages (
    workstream TEXT NOT NULL REFERENCES workstreams(name) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    position INTEGER NOT NULL,
    message TEXT NOT NULL,
    interaction_id TEXT,
    PRIMARY KEY (workstream, turn, position)
) STRICT, WITHOUT ROWID;
"""


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new database at `path`.

    Raises:
        StoreFailed: A newer Arawn has written it.
        sqlite3.Error: It cannot be read or written.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise StoreFailed(
            f"the workstream database `{path}` was written by a newer Arawn (schema {version}, this one knows "
            f"{_VERSION}); upgrade Arawn, or set `workstreams.database` to another file"
        )
    if version == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
