"""SQL over the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import duckdb
import msgspec
import pytest
import zstandard

from arawn.cli.terminal_text import error_line
from arawn.errors import BadInput, RateLimited
from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.record import (
    FeedbackLine,
    GapLine,
    InteractionRecord,
    MarkLine,
    ToolResultLine,
)
from arawn.interactions.scan import Damage
from arawn.interactions.sql import LogSql, _taken
from arawn.interactions.sql_schema import VIEWS
from arawn.messages import CallContext
from tests.arawn.interactions.samples import NOON, note, record
from tests.arawn.interactions.test_reader import TOOL_USE, result

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT = "2026-01-28T12:00:00.000000Z"


@pytest.fixture
def damages() -> list[Damage]:
    return []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Every kind of line, over a compressed and a plain day; late tags; a double, a broken and a torn line."""
    first = record(1, response=TOOL_USE)
    lines: list[Any] = [
        first,
        record(2, context=CallContext(tags={"team": "search"}), status="error", error=RateLimited("no")),
        result(first.id, "t1"),
        note(3, text="good one"),
        GapLine(count=2, reason="disk", timestamp=AT),
        MarkLine(event="start", detail={"pid": 1}, timestamp=AT),
    ]
    numbered = [msgspec.structs.replace(line, writer="w", seq=seq) for seq, line in enumerate(lines, 1)]
    old, new = b"".join(map(encode_line, numbered[:3])), b"".join(map(encode_line, numbered[2:]))
    (tmp_path / "interactions-2026-01-28.jsonl.zst").write_bytes(zstandard.compress(old))
    torn = b"{broken\n" + b'{"kind":"interaction","id":"torn"'
    (tmp_path / "interactions-2026-01-29.jsonl").write_bytes(new + encode_line(numbered[1]) + torn)
    return tmp_path


@pytest.fixture
def sql(log: Path, damages: list[Damage]) -> LogSql:
    return LogSql(log, on_damage=damages.append)


def rows(sql: LogSql, query: str) -> list[tuple[Any, ...]]:
    return list(sql.ask(query).rows)


def test_every_kind_of_line_has_its_view(sql: LogSql, damages: list[Damage]) -> None:
    """Doubles once, in plain and compressed files alike; what is damaged is named."""
    counts = ", ".join(f"(SELECT count(*) FROM {view})" for view in VIEWS)

    assert rows(sql, f"SELECT {counts}") == [(2, 1, 1, 1, 1)]
    assert [(damage.file[-8:], damage.line) for damage in damages] == [("29.jsonl", 6)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT tags['team'] FROM interactions ORDER BY seq", [(None,), ("search",)]),
        ("SELECT error.type FROM interactions WHERE error IS NOT NULL", [("RateLimited",)]),
        ("SELECT tool_calls[1].tool_name FROM interactions WHERE has_tool_use", [("search",)]),
        ("SELECT messages->0->>'role' FROM interactions LIMIT 1", [("user",)]),
        ("SELECT min(timestamp) FROM interactions", [(NOON.replace(tzinfo=None),)]),
        ("SELECT content FROM tool_results JOIN interactions ON id = interaction_id", [("found",)]),
        ("SELECT tool_calls[1].result_content FROM interactions WHERE has_tool_use", [(None,)]),  # as the help says
        ("SELECT label, note, value FROM feedback", [("good", "good one", None)]),
        ("SELECT count, reason FROM gaps", [(2, "disk")]),
        ("SELECT event, detail->>'pid' FROM marks", [("start", "1")]),
        ("FROM interactions SELECT sum(total_input_tokens)", [(6,)]),
        ("WITH x AS (SELECT 1) SELECT * FROM x", [(1,)]),
    ],
)
def test_columns_have_the_types_of_the_schema(sql: LogSql, query: str, expected: list[tuple[Any, ...]]) -> None:
    """Tags are a map, bodies are JSON, times are times."""
    assert rows(sql, query) == expected


@pytest.mark.parametrize(
    "query",
    [
        "COPY interactions TO 'x.csv'",
        "DELETE FROM interactions",
        "CREATE TABLE x AS SELECT 1",
        "SET threads = 1",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'",
        "",
        "SELEC 1",
        "SELECT nothing FROM interactions",
        "SELECT * FROM elsewhere",
        "SELECT CAST('x' AS INT)",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM read_csv('other.csv')",
        "SELECT * FROM sql",
        "SELECT \ud800",
    ],
)
def test_only_reading_the_log_is_allowed(sql: LogSql, log: Path, query: str) -> None:
    """Anything else is refused, and nothing is written."""
    (log / "other.csv").write_text("a,b\n")
    before = {path: path.read_bytes() for path in log.iterdir()}

    with pytest.raises(BadInput):
        rows(sql, query.replace("other.csv", str(log / "other.csv")))

    assert {path: path.read_bytes() for path in log.iterdir()} == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT now() AS t, 1 AS n; -- now",
        "SELECT [now()] AS t, 1 AS n",
        "SELECT {'at': now()} AS t, 1 AS n ORDER BY n",
    ],
)
def test_times_with_a_zone_are_texts(sql: LogSql, query: str) -> None:
    """`pytz` is not needed; other columns stay what they are."""
    answer = sql.ask(query)

    ((time, number),) = answer.rows
    assert answer.columns == ("t", "n")
    assert isinstance(time, str)
    assert "+00" in time
    assert number == 1


@pytest.mark.parametrize("query", ["select a, nothing from interactions", "select 1 union selec 2"])
def test_an_error_points_at_its_place(sql: LogSql, query: str) -> None:
    """The mark stands below what is wrong as it is printed, and an empty line is one."""
    with pytest.raises(BadInput) as refused:
        sql.ask(query)

    *_, empty, line, mark = error_line(str(refused.value)).split("\n")
    wrong = "a" if "nothing" in query else "selec"
    assert (empty, line) == ("", f"  LINE 1: {query}")
    assert line[mark.index("^") :].startswith(wrong)


def test_copies_of_damaged_files_go_with_the_answer(log: Path, sql: LogSql, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the log stays elsewhere, whether the query could be answered or not."""
    path = log / "interactions-2026-01-28.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-9])
    copies = log / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))

    assert rows(sql, "SELECT count(*) FROM marks") == [(1,)]
    with pytest.raises(BadInput):
        sql.ask("SELECT nothing FROM marks")

    assert list(copies.iterdir()) == []


def test_an_empty_log_has_empty_views(tmp_path: Path) -> None:
    """With all their columns."""
    sql = LogSql(tmp_path, on_damage=lambda _: None)

    for view, (_, columns) in VIEWS.items():
        answer = sql.ask(f"SELECT * FROM {view}")
        assert answer.columns == tuple(columns)
        assert list(answer.rows) == []


MISFIT = b'{"kind":"interaction","v":1}\n'  # JSON, but no line of the log


def test_damaged_foreign_and_odd_files_are_left_out(tmp_path: Path, damages: list[Damage]) -> None:
    """And named; the rest is counted."""
    (tmp_path / "interactions-2026-01-01.jsonl").mkdir()
    (tmp_path / "interactions-2026-01-02.jsonl.zst").write_bytes(zstandard.compress(encode_line(record(1)))[:-9])
    (tmp_path / "interactions-2026-01-03.jsonl").write_bytes(b"\0\xff\n\n[]\n7\n" + MISFIT + encode_line(record(2)))
    (tmp_path / "interactions-2026-01-04.jsonl").write_bytes(b"")

    assert rows(LogSql(tmp_path, on_damage=damages.append), "SELECT count(*) FROM interactions") == [(1,)]
    assert {damage.file[13:23] for damage in damages} == {"2026-01-01", "2026-01-02", "2026-01-03"}


def test_long_lines_are_read(tmp_path: Path) -> None:
    """Longer than DuckDB's own limit."""
    long = msgspec.structs.replace(record(1), system_prompt="x" * 20_000_000)
    (tmp_path / "interactions-2026-01-28.jsonl").write_bytes(encode_line(long))

    assert rows(LogSql(tmp_path, on_damage=lambda _: None), "SELECT length(system_prompt) FROM interactions") == [
        (20_000_000,)
    ]


def test_counts_are_those_of_the_reader(log: Path, sql: LogSql) -> None:
    """The same calls, by id."""
    ids = [entry.head.id for entry in LogReader(log, on_damage=lambda _: None).oldest_first(Filters())]

    assert [one for (one,) in rows(sql, "SELECT id FROM interactions ORDER BY seq")] == ids


def test_the_schema_has_every_key_of_every_line() -> None:
    """In the order of the file, for interactions."""
    kinds = (InteractionRecord, ToolResultLine, FeedbackLine, GapLine, MarkLine)
    assert list(VIEWS["interactions"][1]) == list(InteractionRecord.__struct_encode_fields__)
    for kind, (tag, columns) in zip(kinds, VIEWS.values(), strict=True):
        assert kind.__struct_config__.tag == tag
        assert set(columns) == set(kind.__struct_encode_fields__)


def test_a_day_compressed_before_it_is_read_is_found_again(
    log: Path, sql: LogSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query is asked again over the files that are there then."""
    plain = log / "interactions-2026-01-29.jsonl"
    look = LogSql._look

    def look_then_compress(self: LogSql) -> Any:
        looked = look(self)
        if plain.exists():
            (log / f"{plain.name}.zst").write_bytes(zstandard.compress(plain.read_bytes()))
            plain.unlink()
        return looked

    monkeypatch.setattr(LogSql, "_look", look_then_compress)

    assert rows(sql, "SELECT count(*), max(timestamp) FROM marks") == [(1, NOON.replace(tzinfo=None))]


def test_rows_are_taken_by_their_size() -> None:
    """A few long ones at once, or many short ones: never so many of the longest."""
    long, short = [("x" * 600_000,)] * 5, [(1, None, "x")] * 600

    assert [len(rows) for rows in _batches(long)] == [2, 2, 1]
    assert [len(rows) for rows in _batches(short)] == [256, 256, 88]


def _batches(rows: Sequence[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    left = iter(rows)
    cursor = SimpleNamespace(fetchone=lambda: next(left, None))
    while batch := _taken(cast("DuckDBPyConnection", cursor)):
        yield batch


@pytest.mark.parametrize(("size", "bounded"), [(1 << 10, False), (2 << 20, True)])
def test_long_lines_are_read_by_one_thread(tmp_path: Path, size: int, bounded: bool) -> None:
    """Each thread of DuckDB takes several times the longest line; short ones are read by as many as it likes."""
    line = msgspec.structs.replace(record(1), system_prompt="x" * size, writer="w", seq=1)
    (tmp_path / "interactions-2026-01-28.jsonl").write_bytes(encode_line(line))

    ((threads,),) = LogSql(tmp_path, on_damage=lambda _: None).ask("SELECT current_setting('threads')").rows

    usual = duckdb.connect(":memory:").execute("SELECT current_setting('threads')").fetchone()
    assert (threads,) == ((1,) if bounded else usual)
