"""Answers SQL over a log directory with DuckDB, which may read the files of the log and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arawn.errors import ArawnError, BadInput
from arawn.interactions.encode import clean_text
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.scan import LogScan, OnDamage, OnProgress, wanted_files
from arawn.interactions.seen import SeenLines
from arawn.interactions.sql_schema import VIEWS, Numbered, view_statement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Answer", "LogSql", "SqlFailed"]

_BATCH_ROWS = 256
_LEAST_OBJECT = 1 << 24
_TRIES = 3  # a file can be compressed or removed between looking at it and reading it


class SqlFailed(ArawnError):
    """A query that is right could not be answered."""


class Answer(msgspec.Struct, frozen=True):
    """Names and types of the columns, and the rows, which are read as they are taken."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class _Looked(msgspec.Struct, frozen=True):
    """What a first look at the files told."""

    files: tuple[str, ...]
    longest_line: int
    doubles: tuple[Numbered, ...]


class LogSql:
    """Answers queries over one log directory; see `VIEWS` for its tables. Takes no lock and changes nothing."""

    def __init__(self, directory: Path, *, on_damage: OnDamage, on_progress: OnProgress | None = None) -> None:
        self._directory = directory
        self._on_damage = on_damage
        self._on_progress = on_progress

    def ask(self, query: str) -> Answer:
        """Answer one SELECT.

        The files are looked through first: damaged lines and files are named and left out, and lines that are there
        twice are shown once.

        Raises:
            BadInput: DuckDB is missing; the query is no SELECT, or wrong.
            SqlFailed: The files went away, or there is not enough memory.
            OSError: The directory cannot be read.
        """
        query = clean_text(query)
        _require_one_select(query)
        for left in reversed(range(_TRIES)):
            looked = self._look()
            try:
                return _asked(_connected(self._directory, looked), query)
            except (SqlFailed, BadInput):
                if not left or all((self._directory / file).exists() for file in looked.files):
                    raise
        raise AssertionError("the last try returns or raises")

    def _look(self) -> _Looked:
        scan = LogScan(self._directory, on_damage=self._on_damage, on_progress=self._on_progress)
        files = wanted_files(self._directory, Filters())
        seen, doubles, longest = SeenLines(), dict[Numbered, None](), _LEAST_OBJECT
        for path, (offset, line) in scan.forwards(files):
            longest = max(longest, len(line))
            try:
                head = decode_head(line)
            except UNREADABLE as error:
                scan.report(path, offset, str(error))
                continue
            if head.writer is not None and head.seq is not None and not seen.is_new(head.writer, head.seq):
                doubles[head.writer, head.seq] = None
        readable = tuple(file.name for file in files if file.name not in scan.unreadable)
        return _Looked(readable, longest, tuple(doubles))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what DuckDB raises into an error of ours: a wrong query, or one that could not be answered."""
    duckdb = _duckdb()
    try:
        yield
    except (duckdb.OperationalError, duckdb.InternalError) as error:
        raise SqlFailed(f"cannot answer the query: {error}") from error
    except duckdb.Error as error:
        raise BadInput(f"the query cannot be answered: {error}") from error


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise BadInput("`interactions sql` needs DuckDB: pip install 'arawn[analytics]'") from error
    return duckdb


def _require_one_select(query: str) -> None:
    duckdb = _duckdb()
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise BadInput(f"the query cannot be read: {error}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        tables = ", ".join(f"`{name}`" for name in VIEWS)
        raise BadInput(f"the log is only read: give one SELECT, over {tables}")


def _connected(directory: Path, looked: _Looked) -> DuckDBPyConnection:
    """Return a connection that has the views, reads their files alone, and cannot be talked out of it."""
    files = [str((directory / name).absolute()) for name in looked.files]
    connection: DuckDBPyConnection = _duckdb().connect(":memory:")
    connection.execute("SET allowed_paths = $files", {"files": files})
    for setting in (
        "temp_directory = ''",
        "enable_external_access = false",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "TimeZone = 'UTC'",
        *(["threads = 1"] if looked.longest_line > _LEAST_OBJECT else []),  # a thread takes twice the longest line
    ):
        connection.execute(f"SET {setting}")
    with _explained():
        for name in VIEWS:
            connection.execute(view_statement(name, files, longest_line=looked.longest_line, doubles=looked.doubles))
    connection.execute("SET lock_configuration = true")
    return connection


def _asked(connection: DuckDBPyConnection, query: str) -> Answer:
    with _explained():
        cursor = connection.execute(query)
        first = cursor.fetchmany(_BATCH_ROWS)
    described = cursor.description or []
    names, types = tuple(column[0] for column in described), tuple(str(column[1]) for column in described)
    return Answer(names, types, _rows(cursor, first))


def _rows(cursor: DuckDBPyConnection, batch: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    while batch:
        yield from batch
        with _explained():
            batch = cursor.fetchmany(_BATCH_ROWS)
