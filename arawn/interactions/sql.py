"""Answers SQL over a log directory with DuckDB, which may read the files of the log and nothing else."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from textwrap import indent
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
import zstandard

from arawn.errors import ArawnError, BadInput
from arawn.interactions.encode import clean_text
from arawn.interactions.filters import Filters
from arawn.interactions.heads import UNREADABLE, decode_head, head_or_none
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.raw_lines import readable_lines
from arawn.interactions.scan import LogScan, OnDamage, OnProgress, require_regular, wanted_files
from arawn.interactions.sql_schema import VIEWS, Numbered, text_literal, view_statement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Answer", "LogSql", "SqlFailed"]

T = TypeVar("T")

_BATCH_ROWS = 256  # taken at once, or fewer with so many characters
_BATCH_CHARACTERS = 1 << 20
_INTERRUPT_SECONDS = 2.0
_LEAST_OBJECT = 1 << 24  # a writer may write a longer line than there is, meanwhile
_LONG_LINE = 1 << 20  # where lines are as long, one thread: each takes several times the longest
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
    damaged: tuple[str, ...]  # what can be read of these has to be copied first
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
                return self._answer(looked, query)
            except (SqlFailed, BadInput):
                if not left or all((self._directory / file).exists() for file in looked.files):
                    raise
        raise AssertionError("the last try returns or raises")

    def _answer(self, looked: _Looked, query: str) -> Answer:
        files = [self._directory / name for name in looked.files]
        if not looked.damaged:
            return _asked(_connected(files, looked), query)
        copies = Path(tempfile.mkdtemp(prefix="arawn-sql-"))
        try:
            files += [_readable_copy(self._directory / name, copies) for name in looked.damaged]
            answer = _asked(_connected(files, looked), query)
        except BaseException:
            shutil.rmtree(copies, ignore_errors=True)
            raise
        remove = weakref.finalize(answer.rows, shutil.rmtree, copies, ignore_errors=True)  # if nobody takes any
        return msgspec.structs.replace(answer, rows=_until_taken(answer.rows, remove))

    def _look(self) -> _Looked:
        scan = LogScan(self._directory, on_damage=self._on_damage, on_progress=self._on_progress)
        files = wanted_files(self._directory, Filters())
        seen, doubles, longest = SeenLines(), dict[Numbered, None](), 1
        for path, (offset, line) in scan.forwards(files):
            longest = max(longest, len(line))
            try:
                head = decode_head(line)
            except UNREADABLE as error:
                scan.report(path, offset, str(error))
                if isinstance(error, msgspec.ValidationError):  # JSON, of which DuckDB would make a row
                    scan.unreadable.add(path.name)
                continue
            if head.writer is not None and head.seq is not None and not seen.is_new(head.writer, head.seq):
                doubles[head.writer, head.seq] = None
        readable = tuple(file.name for file in files if file.name not in scan.unreadable)
        damaged = tuple(file.name for file in files if file.name in scan.unreadable)
        return _Looked(readable, damaged, longest, tuple(doubles))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what DuckDB raises into an error of ours: a wrong query, or one that could not be answered."""
    duckdb = _duckdb()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:  # how DuckDB passes Ctrl-C on
        if "interrupted" not in str(error).lower():
            raise SqlFailed(f"cannot answer the query: {_sentence(error)}") from error
        raise KeyboardInterrupt from error
    except (duckdb.OperationalError, duckdb.InternalError) as error:
        raise SqlFailed(f"cannot answer the query: {_sentence(error)}") from error
    except duckdb.Error as error:
        raise BadInput(f"the query cannot be answered: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    """Return what DuckDB says, without the traceback that it takes from Python; below the first line set off.

    All alike, since one of them points at a place in the one above.
    """
    first, end, below = str(error).partition("\nTraceback ")[0].partition("\n")
    return first + end + indent(below, "  ")


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
        raise BadInput(f"the query cannot be read: {_sentence(error)}") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        tables = ", ".join(f"`{name}`" for name in VIEWS)
        raise BadInput(f"the log is only read: give one SELECT, over {tables}")


def _readable_copy(path: Path, directory: Path) -> Path:
    """Write the lines of a damaged file that can be read to one in `directory`, and return it."""
    copy = directory / f"{path.name.removesuffix('.zst')}.zst"
    compressor = zstandard.ZstdCompressor(level=1)
    with copy.open("wb") as out, compressor.stream_writer(out, closefd=False) as lines:
        for line in _whole_lines(path):
            lines.write(line)
    return copy


def _whole_lines(path: Path) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # the scan has named it
        require_regular(path)
        yield from (line for _, line in readable_lines(path) if line.endswith(b"\n") and head_or_none(line) is not None)


def _connected(paths: Sequence[Path], looked: _Looked) -> DuckDBPyConnection:
    """Return a connection that has the views, reads their files alone, and cannot be talked out of it."""
    files = [str(path.absolute()) for path in paths]
    connection: DuckDBPyConnection = _duckdb().connect(":memory:")
    connection.execute("SET allowed_paths = $files", {"files": files})
    for setting in (
        "temp_directory = ''",
        "enable_external_access = false",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "TimeZone = 'UTC'",
        *(["threads = 1"] if looked.longest_line > _LONG_LINE else []),
    ):
        connection.execute(f"SET {setting}")
    with _explained():
        for name in VIEWS:
            longest = max(_LEAST_OBJECT, looked.longest_line)
            connection.execute(view_statement(name, files, longest_line=longest, doubles=looked.doubles))
    connection.execute("SET lock_configuration = true")
    return connection


def _asked(connection: DuckDBPyConnection, query: str) -> Answer:
    with _explained():
        cursor = _interruptible(connection, partial(connection.execute, query))
        if any("WITH TIME ZONE" in str(column[1]) for column in cursor.description or []):
            zoneless = _without_zones(query, cursor.description or [])
            cursor = _interruptible(connection, partial(connection.execute, zoneless))
        first = _interruptible(connection, partial(_taken, cursor))
    described = cursor.description or []
    names, types = tuple(column[0] for column in described), tuple(str(column[1]) for column in described)
    return Answer(names, types, _rows(cursor, first))


def _without_zones(query: str, columns: Sequence[tuple[Any, ...]]) -> str:
    """Return `query` with times that have a zone as texts: DuckDB makes Python's of them only with `pytz`."""
    shown = ", ".join(
        f"{f'CAST(#{place} AS VARCHAR)' if 'WITH TIME ZONE' in str(type_) else f'#{place}'} AS {_quoted(name)}"
        for place, (name, type_, *_) in enumerate(columns, 1)
    )
    return f"SELECT {shown} FROM query({text_literal(query)})"  # noqa: S608  # the query itself is one SELECT


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _taken(cursor: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return the next rows, by their size: one can hold a text as long as a line."""
    rows: list[tuple[Any, ...]] = []
    characters = 0
    while len(rows) < _BATCH_ROWS and characters < _BATCH_CHARACTERS and (row := cursor.fetchone()) is not None:
        rows.append(row)
        characters += sum(len(value) for value in row if isinstance(value, str))
    return rows


def _until_taken(rows: Iterator[tuple[Any, ...]], remove: Callable[[], object]) -> Iterator[tuple[Any, ...]]:
    try:
        yield from rows
    finally:
        remove()


def _rows(cursor: DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    while rows:
        yield from rows
        del rows  # before the next ones are there
        with _explained():
            rows = _interruptible(cursor, partial(_taken, cursor))


def _interruptible(connection: DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Return what `work` returns; Ctrl-C ends it, which DuckDB by itself would see only when it is done.

    Raises:
        KeyboardInterrupt, SystemExit: Ctrl-C was pressed, or SIGTERM came; a query that does not end for that is left
            behind.
    """
    done: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:  # noqa: ASYNC103, BLE001  # it is raised where it is waited for
            done.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = done.get()
    except (KeyboardInterrupt, SystemExit):
        connection.interrupt()
        with contextlib.suppress(Empty):
            done.get(timeout=_INTERRUPT_SECONDS)
        raise
    if error is not None:
        raise error
    return cast("T", result)  # without an error, there is one
