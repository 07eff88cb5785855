"""Whether the database file and its journal are still those that were opened, seen from outside SQLite.

SQLite does not notice: it reads what it has in memory, and writes to a file that has no name any more.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from arawn.owners import stranger

__all__ = ["HEADER_BYTES", "StoreFile", "foreign_link", "header_fault", "journal_of", "orphaned_journal"]

_MAGIC = b"SQLite format 3\0"
HEADER_BYTES = len(_MAGIC)
_RESTORE = "stop Arawn, restore a backup and start again"
_OVERWRITTEN = f"its beginning was overwritten; {_RESTORE}"
_PUT_BACK = (
    f"put the file back that was there, that very one and no copy, or {_RESTORE}: until then nothing is written to it, "
    "and `arawn workstreams show` still shows what is in it"
)
_WRITE_BACK = (
    "what was written last is in it: stop Arawn in order (`arawn stop`), which writes it back, and start again; a kill "
    "would lose it, and until then nothing is written"
)


class StoreFile:
    """The database file that was opened. It is looked at by name and through SQLite, never by a descriptor of our own.

    Closing any descriptor of a file takes away the locks that SQLite has on it, those of all stores of this process
    (fcntl(2)); another process would then delete what was written last. SQLite puts off such a close.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path.stat())
        self._journal = journal_of(path)
        self._journal_identity = _found(self._journal)  # None where SQLite can have none, as on some network disks
        self._address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"  # the file itself, not the journal beside it

    def fault(self) -> str | None:
        """Return what is wrong with the file and what to do, as the end of a message; None if nothing is.

        It takes 0.03 ms; any thread may ask.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return f"it was deleted or moved away while it is open; {_PUT_BACK}"
        except OSError as error:
            return f"it cannot be looked at: {error.strerror}; make its directory accessible again"
        if _identity(found) != self._identity:
            return f"another file was put in its place while it is open; {_PUT_BACK}"
        return (self._beginning() if found.st_size else header_fault(b"")) or self._journal_fault()

    def _journal_fault(self) -> str | None:
        """Return that the journal has gone: SQLite writes on into what has no name any more, as with the file."""
        found = _found(self._journal)
        if self._journal_identity is None or found == self._journal_identity:
            return None
        what = "was deleted" if found is None else "was replaced by another file"
        return f"its journal `{self._journal}` {what} while it is open; {_WRITE_BACK}"

    def _beginning(self) -> str | None:
        try:
            with closing(sqlite3.connect(self._address, uri=True)) as look:
                look.execute("PRAGMA schema_version")
        except sqlite3.OperationalError as error:
            return f"it cannot be read: {error}; check the disk"
        except sqlite3.DatabaseError as error:
            # Else it is shorter than it says: a checkpoint is at work, or was cut off, and the journal has the rest.
            return _OVERWRITTEN if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else None
        return None


def header_fault(beginning: bytes) -> str | None:
    """Return why no database begins like this, and what to do; None if one does."""
    if beginning[:HEADER_BYTES] == _MAGIC:
        return None
    return _OVERWRITTEN if beginning else f"it was emptied; {_RESTORE}"


def orphaned_journal(path: Path) -> str | None:
    """Return why the database must not be opened: SQLite would delete what was written last. None if it may be.

    What was written last stands beside the database, in a file that ends in `-wal`. Where the database itself is gone
    or empty, SQLite begins a new one and removes that file without a word.
    """
    journal = journal_of(path)
    if not _size(journal) or _size(path):  # in this order: another process may just be making both, the database first
        return None
    remedy = "with Arawn stopped, restore a backup, or move both away to begin a new one"
    return f"it is gone or empty, and `{journal}` has writes to it; {remedy}"


def foreign_link(path: Path) -> str | None:
    """Return why the database is not looked for where a link leads to; None if the user's own does, or none is there.

    A link of one's own leads to where one keeps it, be it that the first start is to make it there.
    """
    try:
        owner = stranger(path.lstat()) if path.is_symlink() else None
    except FileNotFoundError:
        return None
    return None if owner is None else f"it is a link of {owner}, who would choose which file is written to; remove it"


def journal_of(path: Path) -> Path:
    """Return where SQLite keeps what was written last to the database at `path`: beside the file, not beside a link."""
    real = path.resolve()
    return real.with_name(f"{real.name}-wal")


def _found(path: Path) -> tuple[int, int] | None:
    try:
        return _identity(path.stat())
    except FileNotFoundError:
        return None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
