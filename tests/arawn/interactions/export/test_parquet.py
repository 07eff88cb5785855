"""Parquet, read back by the tools it is for."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset
import pyarrow.parquet
import pytest

from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.export import parquet
from arawn.interactions.export.manifest import ExportManifest
from arawn.interactions.export.parquet import COLUMNS, newest_day
from arawn.interactions.filters import Filters
from arawn.messages import CallContext, RoutingMetadata, user
from tests.arawn.interactions.export.logs import ASKED, FOUND, LOOKED, call, made_parquet, write_log
from tests.arawn.interactions.samples import NOON

ROUTED = CallContext(
    workstream="research", tags={"team": "search", "o'clock\0": "\u2028"}, routing=RoutingMetadata("fast", "rule", 0.25)
)


def files(target: Path) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Three days of calls, one of which failed and one of which ran over midnight."""
    directory = tmp_path / "log"
    lines = [call(n, ASKED, at=NOON + timedelta(hours=9 * n), context=ROUTED) for n in range(7)]
    late = call(90, (*ASKED, LOOKED, FOUND), at=NOON + timedelta(hours=11, minutes=59))
    write_log(directory, [*lines[:4], late, *lines[4:], call(91, ASKED, None, at=NOON + timedelta(days=2))])
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out's"


@pytest.fixture
def manifest(log: Path, target: Path) -> ExportManifest:
    return made_parquet(log, target)


def test_three_tools_read_the_same(manifest: ExportManifest, target: Path) -> None:
    """The same rows, the same sums, the same days."""
    glob = str(target / "*" / "*.parquet")

    sql = duckdb.execute("SELECT count(*), sum(total_input_tokens), count(DISTINCT date) FROM read_parquet(?)", [glob])
    frame = pl.scan_parquet(glob, hive_partitioning=True).select("total_input_tokens", "date").collect()
    table = pyarrow.dataset.dataset(target, format="parquet", partitioning="hive").to_table()

    tokens = [value.as_py() or 0 for value in table["total_input_tokens"]]
    from_polars = (frame.height, frame["total_input_tokens"].sum(), frame["date"].n_unique())
    from_arrow = (table.num_rows, sum(tokens), len(set(table["date"].to_pylist())))
    assert sql.fetchone() == from_polars == from_arrow == (manifest.rows, 8 * 6, 3)


def test_columns_have_the_types_of_the_schema(manifest: ExportManifest, target: Path) -> None:
    """Scalars are typed, tags are a map, bodies are JSON text, and what was logged comes back."""
    file = min(target.rglob("*.parquet"))

    described = {name: kind for name, kind, *_ in duckdb.execute(f"DESCRIBE FROM '{quoted(file)}'").fetchall()}
    assert {name: kind for name, kind in described.items() if name != "date"} == dict(COLUMNS)
    row = pl.read_parquet(file).row(0, named=True)
    (tags,) = duckdb.execute(f"SELECT tags FROM '{quoted(file)}' LIMIT 1").fetchall()
    assert tags == ({**ROUTED.tags, "routing_profile": "fast"},)
    assert row["timestamp"] == NOON
    assert json.loads(row["messages"])[0]["content"][0]["text"] == "what is it?"
    assert (row["routing_confidence"], row["error_type"], row["seq"]) == (0.25, None, 2)
    assert {codec(file, column) for column in range(len(COLUMNS))} == {"ZSTD"}


def codec(file: Path, column: int) -> str:
    name: str = pyarrow.parquet.ParquetFile(file).metadata.row_group(0).column(column).compression
    return name


def test_a_day_is_its_own_directory_and_the_others_are_not_read(manifest: ExportManifest, target: Path) -> None:
    """A filter on `date` opens the files of that day alone; a call stands under the day on which it began."""
    (damaged,) = target.glob("date=2026-01-29/*")
    damaged.write_bytes(b"not to be read")
    glob = str(target / "*" / "*.parquet")

    query = "SELECT count(*) FROM read_parquet(?) WHERE date = ?"
    assert duckdb.execute(query, [glob, "2026-01-30"]).fetchone() == (4,)
    assert duckdb.execute(query, [glob, "2026-01-28"]).fetchone() == (3,)
    with pytest.raises(duckdb.Error):
        duckdb.execute(query, [glob, "2026-01-29"])
    frame = pl.scan_parquet(glob, hive_partitioning=True).filter(pl.col("date") == pl.date(2026, 1, 30))
    assert frame.select("seq").collect().height == 4
    dataset = pyarrow.dataset.dataset(target, format="parquet", partitioning="hive")
    assert dataset.count_rows(filter=pyarrow.dataset.field("date") == "2026-01-30") == 4


def test_the_same_log_gives_the_same_bytes(
    log: Path, target: Path, manifest: ExportManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another place and another time zone too; the manifest has the hashes."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")

    again = made_parquet(log, target.with_name("again"))

    assert files(target) == files(target.with_name("again"))
    assert again == manifest
    assert [output.file for output in manifest.outputs] == sorted(files(target))
    assert {file.stat().st_mode & 0o777 for file in target.rglob("*.parquet")} == {0o600}


def test_rows_stand_in_the_order_of_the_log(log: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches of any size, each of which is a file; nothing is left of the lines they were made from."""
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 3000)

    made_parquet(log, target)

    for day in target.iterdir():
        numbers = [n for file in sorted(day.iterdir()) for n in pl.read_parquet(file)["seq"].to_list()]
        assert numbers == sorted(numbers)
        assert numbers
    assert len(files(target)) > 3
    assert not list(target.with_name(f"{target.name}-scratch").glob("*.ndjson"))


def test_an_empty_export_has_the_columns(log: Path, target: Path) -> None:
    """Every tool reads it as no rows, of a day that is in the log."""
    manifest = made_parquet(log, target, wanted=Filters(workstream="nobody"))

    glob = str(target / "*" / "*.parquet")
    assert manifest.rows == 0
    assert [day.name for day in target.iterdir()] == [f"date={newest_day(log)}"]
    assert (log / f"interactions-{newest_day(log)}.jsonl").exists()
    assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [glob]).fetchone() == (0,)
    frame = pl.read_parquet(glob, hive_partitioning=True)
    assert (frame.height, set(COLUMNS) - set(frame.columns)) == (0, set())
    assert pyarrow.dataset.dataset(target, format="parquet", partitioning="hive").to_table().num_rows == 0


def test_a_number_that_no_column_holds_drops_its_row(tmp_path: Path, target: Path) -> None:
    """The others are written."""
    write_log(tmp_path / "log", [call(1, ASKED)])
    path = next((tmp_path / "log").glob("*.jsonl"))
    huge = encode_line(call(2, ASKED)).replace(b'"attempt":1', b'"attempt":%d' % 2**64)
    path.write_bytes(path.read_bytes() + huge)

    manifest = made_parquet(tmp_path / "log", target)

    assert (manifest.rows, manifest.dropped) == (1, {"malformed": 1})


@pytest.mark.slow
def test_a_long_row_fits(tmp_path: Path, target: Path) -> None:
    """Longer than a batch."""
    write_log(tmp_path / "log", [call(1, (user("y" * 40_000_000),)), call(2, ASKED)])

    made_parquet(tmp_path / "log", target)

    lengths = [
        pl.read_parquet(file)["messages"].str.len_bytes().to_list() for file in sorted(target.rglob("*.parquet"))
    ]
    assert [length > 40_000_000 for (length,) in lengths] == [True, False]


def test_without_duckdb_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with the extra `analytics`."""
    monkeypatch.setitem(sys.modules, "duckdb", None)

    with pytest.raises(BadInput, match=r"pip install 'arawn\[analytics\]'"):
        parquet.require_duckdb()


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")
