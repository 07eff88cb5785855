"""The recipes that load exports are run against each format, with columns that begin late."""

from __future__ import annotations

import json
import runpy
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from arawn.interactions.export.features import features_of
from arawn.interactions.export.manifest import ExportManifest
from arawn.interactions.export.rules import FORMATS, Format
from arawn.interactions.record import FeedbackLine, timestamp_text
from arawn.messages import CallContext, RoutingMetadata, user
from tests.arawn.interactions.export.logs import (
    ANSWERED,
    ASKED,
    FOUND,
    LOOKED,
    SEARCH,
    call,
    made_parquet,
    made_to_disk,
    write_log,
)
from tests.arawn.interactions.samples import NOON
from tests.test_log_recipes import BLOCKS

_EARLY = 150  # rows without what comes late: more than tools look at before they choose a type
_LINES: tuple[Format, ...] = tuple(name for name in FORMATS if name != "parquet")
_PARAGRAPH = "x" * 1000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many plain calls, then one with tools, a failure with an error, and one with feedback."""
    directory = tmp_path_factory.mktemp("log")
    calls = [_call(number, (user(f"{number} {_PARAGRAPH}"),)) for number in range(_EARLY)]
    looked = _call(_EARLY, ASKED, LOOKED, tools=(SEARCH,), session="tools", stop="tool_use")
    found = _call(_EARLY + 1, (*ASKED, LOOKED, FOUND), ANSWERED, tools=(SEARCH,), session="tools")
    failed = _call(_EARLY + 2, ASKED, None, session="failed")
    said = FeedbackLine(interaction_id=found.id, label="good", value=0.5, note="yes", timestamp=timestamp_text(NOON))
    write_log(directory, [*calls, looked, found, failed, said])
    return directory


def _call(number: int, history: tuple[Any, ...], *answer: Any, session: str | None = None, **more: Any) -> Any:
    features = {"message_length": number} if number % 2 else {"sure": "x", "candidates": ["fast"]}
    context = CallContext(
        session_id=session or f"s-{number}",
        tags={f"t{number}": "x"},
        routing=RoutingMetadata("fast", "r", 0.5, features),
    )
    tools = more.pop("tools", ())
    return call(number, history, *answer, tools=tools, context=context, at=NOON + timedelta(seconds=number), **more)


def _exported(log: Path, export_format: Format, home: Path) -> ExportManifest:
    """Export to where the recipes look, with its manifest."""
    if export_format == "parquet":
        manifest, name = made_parquet(log, home / "calls"), "calls.manifest.json"
    else:
        manifest, name = made_to_disk(log, export_format, home / "rows.jsonl"), "rows.jsonl.manifest.json"
    (home / name).write_bytes(msgspec.json.encode(manifest))
    return manifest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(recipe: str, home: Path) -> Any:
    """Return the `rows` of a recipe, whose last line prints of them what its own format has."""
    file = home / "recipe.py"
    file.write_text(BLOCKS[recipe][1].rpartition("print(")[0])
    return runpy.run_path(str(file))["rows"]


def _rows(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "rows.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("export_format", _LINES)
def test_polars_reads_lines_with_the_schema_of_the_manifest(log: Path, home: Path, export_format: Format) -> None:
    """Every row, whatever comes late in it; what has no fixed shape is JSON text."""
    manifest = _exported(log, export_format, home)

    frame = _run("polars-rows", home)

    rows = _rows(home)
    assert frame.height == manifest.rows == len(rows) > _EARLY
    assert frame.columns == list(features_of(export_format))
    for column in ("prompt", "feedback_label", "feedback_value", "error_type", "system", "duration_ms"):
        if column in frame.columns:
            assert frame[column].to_list() == [row[column] for row in rows]
    for column in ("features", "params", "tool_calls", "error"):
        if column in frame.columns:
            read = [None if text is None else json.loads(text) for text in frame[column].to_list()]
            assert read == [row[column] for row in rows]
    if export_format == "trl":
        assert frame["messages"].to_list() == [row["messages"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("export_format", _LINES)
def test_datasets_reads_lines_with_the_schema_of_the_manifest(
    log: Path, home: Path, monkeypatch: pytest.MonkeyPatch, export_format: Format
) -> None:
    """Every row as it was written; a key that a row does not have is null."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "hf")
    _exported(log, export_format, home)

    found = _run("trl", home)

    assert found.to_list() == [dict.fromkeys(features_of(export_format)) | row for row in _rows(home)]


@pytest.mark.slow
def test_datasets_reads_parquet(log: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All columns but the tags, and with the second recipe those, too."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "hf")
    manifest = _exported(log, "parquet", home)

    found = _run("parquet-datasets", home)
    duckdb.execute(BLOCKS["parquet-tags"][1])
    whole = datasets.load_dataset("parquet", data_files="calls.parquet", split="train")

    assert found.num_rows == whole.num_rows == manifest.rows
    assert found.column_names == list(features_of("parquet"))
    assert json.loads(whole[3]["tags"]) == {"t3": "x", "routing_profile": "fast"}
    assert found[3]["timestamp"] == NOON + timedelta(seconds=3)


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_manifest_types_every_column(log: Path, home: Path, export_format: Format) -> None:
    """And no other; of Parquet all but the map of tags."""
    manifest = _exported(log, export_format, home)

    if export_format == "parquet":
        files = str(home / "calls" / "*" / "*.parquet")
        described = duckdb.execute("DESCRIBE SELECT * EXCLUDE (date) FROM read_parquet(?)", [files]).fetchall()
        names = {name for name, *_ in described} - {"tags"}
    else:
        names = {key for row in _rows(home) for key in row}
    assert manifest.features is not None
    assert set(manifest.features) == names
