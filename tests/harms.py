"""What befalls a database that a running Arawn has open."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def replace(path: Path) -> None:
    path.rename(path.with_suffix(".old"))
    sqlite3.connect(path).close()


def unlink_journal(path: Path) -> None:
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"no database at all, " * 1_000)


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate()
