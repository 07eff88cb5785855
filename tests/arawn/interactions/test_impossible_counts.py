"""Counts of tokens that can be none: below zero, or more than any column holds."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import msgspec
import pytest

from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.heads import decode_head, decode_line
from arawn.interactions.reader import LogReader
from arawn.interactions.record import InteractionHead
from arawn.interactions.sql import LogSql
from arawn.interactions.stats import Stats
from tests.arawn.interactions.export.logs import made_parquet
from tests.arawn.interactions.samples import record

MOST = 2**63 - 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four calls: less than nothing and 10^20 tokens, a little too much, as much as can be, 7 of each."""
    directory = tmp_path / "log"
    directory.mkdir()
    counts = ((-5, 10**20), (MOST + 1, 2**64), (MOST, MOST), (7, 7))
    lines = [
        encode_line(
            msgspec.structs.replace(
                record(number), writer="w", seq=number, total_input_tokens=read, output_tokens=written
            )
        )
        for number, (read, written) in enumerate(counts, 1)
    ]
    (directory / "interactions-2026-01-28.jsonl").write_bytes(b"".join(lines))
    return directory


def test_all_readers_take_them_for_unknown(log: Path, tmp_path: Path) -> None:
    """`list`, `stats`, `sql` and Parquet say the same, and no call is left out for it."""
    wanted = [(None, None), (None, None), (MOST, MOST), (7, 7)]
    heads = [entry.head for entry in LogReader(log, on_damage=print).oldest_first(Filters())]
    stats = Stats((), Filters(), ZoneInfo("UTC"))
    for head in heads:
        stats.add(head)
    manifest = made_parquet(log, tmp_path / "rows")
    columns = "total_input_tokens, output_tokens"
    query = f"SELECT {columns} FROM read_parquet(?) ORDER BY call_id"  # of names alone
    rows = duckdb.execute(query, [f"{tmp_path}/rows/**/*.parquet"]).fetchall()

    assert [(head.total_input_tokens, head.output_tokens) for head in heads] == wanted
    assert stats.report().total.output_tokens == MOST + 7
    assert (manifest.rows, manifest.dropped, rows) == (4, {}, wanted)
    answer = LogSql(log, on_damage=print).ask(query.replace("read_parquet(?)", "interactions"))
    assert list(answer.rows) == wanted


def test_a_whole_line_is_read_alike(log: Path) -> None:
    """With its bodies or without them."""
    line = (log / "interactions-2026-01-28.jsonl").read_bytes().splitlines(keepends=True)[0]

    for read in (decode_head(line), decode_line(line)):
        assert isinstance(read, InteractionHead)
        assert (read.total_input_tokens, read.output_tokens, read.input_tokens) == (None, None, 5)
