"""Parquet with typed columns, one directory a day, through DuckDB.

Rows are collected as lines of JSON in a scratch file, and each batch of 32 MB becomes one file: so much memory is
needed and no more, however long the log. Which rows a file holds follows from the rows alone, and one thread writes
them in order, so the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import msgspec

from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.export.manifest import Output
from arawn.interactions.export.rows import Row
from arawn.interactions.export.rules import Reason
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import DIRECTORY_MODE, FILE_MODE
from arawn.interactions.record import ErrorRecord, InteractionRecord
from arawn.interactions.sql_schema import columns_of, text_literal
from arawn.messages import RoutingMetadata

__all__ = ["COLUMNS", "ParquetRows", "newest_day", "parquet_row", "require_duckdb"]

_BATCH_BYTES = 32 << 20
_FLUSH_BYTES = 1 << 20
_OPEN_DAYS = 2  # a call that ran over midnight stands among those of the day after
_MEMORY_BYTES = 512 << 20
_MEMORY_PER_ROW = 8  # times the longest row: its text, its JSON and its column are all there at once
_NO_DAY = "__HIVE_DEFAULT_PARTITION__"  # what tools take for a partition without a value


def require_duckdb() -> ModuleType:
    """Return DuckDB.

    Raises:
        BadInput: It is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise BadInput(
            "Parquet is written through DuckDB, which is not installed; `pip install 'arawn[analytics]'` installs it"
        ) from error
    return duckdb


def newest_day(log: Path) -> str:
    """Return the newest day of a log: a partition that says it has no rows, and whose type every tool finds.

    PyArrow finds none for a partition without a value; a log without any file has no other.
    """
    return max((file.day for file in day_files(path.name for path in log.iterdir())), default=_NO_DAY)


class _Batch(msgspec.Struct):
    """Rows of one day that are not a file yet."""

    path: Path
    lines: list[bytes] = []  # not in the file at `path` yet
    rows: int = 0
    bytes: int = 0
    longest: int = 0

    def flush(self) -> None:
        with self.path.open("ab") as file:
            file.writelines(self.lines)
        self.lines = []


class ParquetRows:
    """Writes rows of `parquet_row` into `date=YYYY-MM-DD/part-N.parquet` below a directory."""

    def __init__(self, directory: Path, scratch: Path, *, empty_day: str) -> None:
        """Start with nothing written.

        Args:
            directory: Where the files go; it exists and is empty.
            scratch: A directory for files that are gone when `finish` returns.
            empty_day: The partition in which the columns are said where there is no row; from `newest_day`.

        Raises:
            BadInput: DuckDB is not installed.
        """
        self._duckdb = require_duckdb()
        self._directory = directory
        self._scratch = scratch
        self._empty_day = empty_day
        self._batches: dict[str, _Batch] = {}
        self._parts: dict[str, int] = {}
        self._outputs: list[Output] = []

    def write(self, row: Row) -> None:
        """Add a row to its day; every 32 MB of a day become a file."""
        assert isinstance(row, dict)
        day = row["date"]
        line = encode_line({name: row[name] for name in COLUMNS})
        if day not in self._batches:
            while len(self._batches) >= _OPEN_DAYS:
                self._close(min(self._batches))
            self._batches[day] = _Batch(self._scratch / f"{day}.ndjson")
        batch = self._batches[day]
        if batch.bytes and batch.bytes + len(line) > _BATCH_BYTES:
            self._close(day)
            batch = self._batches[day] = _Batch(batch.path)
        batch.lines.append(line)
        batch.rows += 1
        batch.bytes += len(line)
        batch.longest = max(batch.longest, len(line))
        if batch.bytes // _FLUSH_BYTES != (batch.bytes - len(line)) // _FLUSH_BYTES:
            batch.flush()

    def finish(self) -> tuple[Output, ...]:
        """Write the batches that are left; without any row, one empty file that says what the columns are."""
        for day in sorted(self._batches):
            self._close(day)
        if not self._outputs:
            self._batches[self._empty_day] = _Batch(self._scratch / "empty.ndjson")
            self._close(self._empty_day)
        return tuple(sorted(self._outputs, key=lambda output: output.file))

    def _close(self, day: str) -> None:
        """Make a file of the rows that a day has collected."""
        batch = self._batches.pop(day)
        batch.flush()
        self._parts[day] = part = self._parts.get(day, 0) + 1
        target = self._directory / f"date={day}" / f"part-{part:05}.parquet"
        target.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self._copy(batch, target)
        batch.path.unlink()
        target.chmod(FILE_MODE)
        with target.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        name = f"{target.parent.name}/{target.name}"
        self._outputs.append(Output(name, batch.rows, target.stat().st_size, digest))

    def _copy(self, batch: _Batch, target: Path) -> None:
        memory = max(_MEMORY_BYTES, _MEMORY_PER_ROW * batch.longest)
        settings: dict[str, Any] = {
            "threads": 1,
            "memory_limit": f"{memory >> 20}MiB",
            "temp_directory": str(self._scratch / "spilled"),
            "autoinstall_known_extensions": False,
        }
        columns = ", ".join(f"{text_literal(name)}: {text_literal(kind)}" for name, kind in COLUMNS.items())
        query = (
            f"COPY (SELECT * FROM read_json({text_literal(str(batch.path))}, format = 'newline_delimited', "  # noqa: S608
            f"columns = {{{columns}}}, maximum_object_size = {max(1 << 20, 2 * batch.longest)})) "
            f"TO {text_literal(str(target))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192)"
        )
        connection = self._duckdb.connect(":memory:", config=settings)
        try:
            connection.execute(query)
        except (self._duckdb.InterruptException, RuntimeError) as error:  # how DuckDB passes Ctrl-C on
            if "interrupted" not in str(error).lower():
                raise
            raise KeyboardInterrupt from error
        finally:
            connection.close()


_OF_LOG = columns_of(InteractionRecord)
_WITHIN = {"error": columns_of(ErrorRecord), "routing": columns_of(RoutingMetadata)}
_OTHERWISE = {"UBIGINT": "BIGINT", "JSON": "VARCHAR", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE"}
_JSON_TEXTS = tuple(name for name, kind in _OF_LOG.items() if kind == "JSON" or kind.endswith(")[]"))


def _columns() -> Iterator[tuple[str, str]]:
    """Yield the columns of the log, those of an error and of the routing side by side, and texts for what has parts."""
    for name, kind in _OF_LOG.items():
        if name in _WITHIN:
            yield from ((f"{name}_{part}", _OTHERWISE.get(of_part, of_part)) for part, of_part in _WITHIN[name].items())
        else:
            yield name, "VARCHAR" if name in _JSON_TEXTS else _OTHERWISE.get(kind, kind)


COLUMNS: Mapping[str, str] = MappingProxyType(dict(_columns()))
_PLAIN = tuple(name for name in COLUMNS if name in _OF_LOG and name not in _JSON_TEXTS)
_NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind == "BIGINT")
_LARGEST = (1 << 63) - 1


def parquet_row(record: InteractionRecord) -> dict[str, Any] | Reason:
    """Return the columns of one interaction, and `date`: the UTC day of its start, which names its directory.

    What has parts (bodies, parameters, tool calls) is JSON text; a number that no column can hold is a reason
    to drop the row, since it is nothing that Arawn writes.
    """
    started = datetime.fromisoformat(record.timestamp)
    error, routing = record.error, record.routing
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    row |= {f"error_{name}": getattr(error, name, None) for name in _WITHIN["error"]}
    row |= {f"routing_{name}": getattr(routing, name, None) for name in _WITHIN["routing"]}
    row |= {name: _json(getattr(record, name)) for name in _JSON_TEXTS}
    row["routing_features"] = None if routing is None else _json(routing.features)
    row["timestamp"] = started.isoformat()
    for name in _NUMBERS:
        if row[name] is not None and abs(row[name]) > _LARGEST:
            return "malformed"
    return {**row, "date": started.date().isoformat()}


def _json(value: Any) -> str:
    return encode_line(value)[:-1].decode()
