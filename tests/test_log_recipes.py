"""The recipes for the interaction log are run, and its settings for shippers looked at."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType

import duckdb
import msgspec
import pytest

from arawn.interactions.compact import compact_file
from arawn.interactions.encode import encode_line
from arawn.interactions.files import DayFile, aside_name, parse_name, unfinished_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.manifest import manifest_name
from arawn.interactions.record import InteractionRecord, MarkLine, ToolResultLine, timestamp_text
from arawn.messages import Message, Text, ToolUse
from tests.arawn.interactions.export.logs import ASKED, FOUND, call
from tests.arawn.interactions.samples import NOON, note

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "log-recipes.md").read_text("utf-8")
BLOCK = re.compile(r"<!-- (?:recipe|settings): ([\w-]+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = {name: (language, code) for name, language, code in BLOCK.findall(PAGE)}

# Each recipe, and what of the log it tells; those that read an export, and the recipe that makes it.
ANSWERS = MappingProxyType(
    {
        "jq-errors": "errors",
        "jq-tools": "tools",
        "jq-tokens": "tokens",
        "sql": "tokens",
        "sql-hours": "hours",
        "sql-tools": "called",
        "duckdb-tokens": "tokens",
        "duckdb-tools": "tools_by_profile",
        "polars": "tokens",
        "pandas": "tokens",
        "python": "tokens",
        "parquet": "tokens",
        "trl": "answer",
    }
)
EXPORTS = MappingProxyType({"parquet": "export-parquet", "trl": "export-trl"})
LOADERS = frozenset(("parquet-datasets", "parquet-tags", "polars-rows"))  # run by `test_export_recipes.py`
SETTINGS = frozenset(("vector", "fluent-bit"))
GLOB = "interactions-*.json*[lt]"
DAYS = (DayFile("2026-01-28").name, DayFile("2026-01-28", 12).name)
COMPRESSED = tuple(f"{name}.zst" for name in DAYS)
ASIDE = (
    manifest_name(DayFile("2026-01-28")),
    *(aside_name(name, "torn", NOON) for name in DAYS),
    *(aside_name(name, "damaged", NOON) for name in (*DAYS, *COMPRESSED)),
    *(unfinished_name(name) for name in (*DAYS, *COMPRESSED)),
)
WRITER = "0a1b2c3d-00000001"
TRAPS = {"q": ',"system_prompt":', "system_prompt": "where a line must not be cut"}
SEARCHED = Message("assistant", (Text("let me see"), ToolUse("t1", "search", TRAPS)))


class Place(msgspec.Struct):
    """A log, a home directory, and what the recipes shall tell of it."""

    log: Path
    home: Path
    told: dict[str, list[tuple[str, ...]]]


@pytest.fixture(scope="module", params=["plain", "compressed", "both"])
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Place:
    """A log of two days and a second part, which begins with lines of the first; files set aside stand beside them."""
    home = tmp_path_factory.mktemp("home")
    log = home / "log"
    calls, results = written_recipe_log(log)
    days = sorted(log.glob("*.jsonl"))
    for path in {"plain": [], "compressed": days, "both": days[:2]}[request.param]:
        file = parse_name(path.name)
        assert file is not None
        for _ in compact_file(Filesystem(), log, file, frame_bytes=2_000):
            pass
    for name in ASIDE[1:]:
        (log / name).write_text("{half a line")
    (home / "config.toml").write_text(f'[llm]\nbackend = "scripted"\n[logging.interactions]\npath = "{log}"\n')
    return Place(log, home, expected(calls, results))


def written_recipe_log(log: Path) -> tuple[list[InteractionRecord], list[ToolResultLine]]:
    log.mkdir()
    calls = [
        call(1, ASKED, SEARCHED),
        call(2, (*ASKED, SEARCHED, FOUND)),
        call(3, ASKED, None, session="s-2", profile="slow"),
        call(4, ASKED, session="s-3", profile="slow"),
        call(5, ASKED, status="partial", session="s-4"),
    ]
    at = timestamp_text(NOON)
    result = ToolResultLine(interaction_id=calls[0].id, tool_call_id="t1", success=False, content="no", timestamp=at)
    opening = MarkLine(event="start", timestamp=at)
    lines = [
        encode_line(msgspec.structs.replace(line, writer=WRITER, seq=seq))
        for seq, line in enumerate([opening, *calls[:3], result, note(1), *calls[3:]], 1)
    ]
    (log / DayFile("2026-01-28").name).write_bytes(b"".join(lines[:5]))
    (log / DayFile("2026-01-28", 2).name).write_bytes(b"".join(lines[2:7]))
    (log / DayFile("2026-01-29").name).write_bytes(b"".join(lines[7:]))
    return calls, [result]


def expected(calls: list[InteractionRecord], results: list[ToolResultLine]) -> dict[str, list[tuple[str, ...]]]:
    profiles = {one.id: one.profile for one in calls}
    by_profile = {
        profile: [one.output_tokens or 0 for one in calls if one.profile == profile] for profile in profiles.values()
    }
    tools: list[tuple[str, ...]] = [
        (line.interaction_id, line.tool_call_id, line.content or "") for line in results if not line.success
    ]
    return {
        "tokens": sorted((profile, str(len(out)), str(sum(out))) for profile, out in by_profile.items()),
        "errors": sorted(
            (one.timestamp, one.id, one.status, one.error.type if one.error else "")
            for one in calls
            if one.status != "ok"
        ),
        "tools": tools,
        "tools_by_profile": [(profiles[tool[0]], *tool) for tool in tools],
        "called": [(calls[0].profile, calls[0].id, "search", "false", "no")],
        "answer": [("a thing",)],
        "hours": [("2026-01-28 13", str(len(calls)))],  # noon of UTC
    }


def environ(place: Place) -> dict[str, str]:
    own = {"HOME": str(place.home), "ARAWN_CONFIG_DIR": str(place.home), "ARAWN_STATE_DIR": str(place.home)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **own, "PATH": path, "HF_HOME": str(place.home / "hf"), "PYTHONPATH": str(ROOT)}


def told_by_shell(command: list[str], place: Place, directory: Path) -> list[tuple[str, ...]]:
    for tool in ("jq", "zstd", "arawn"):
        if re.search(rf"\b{tool} ", command[-1]) and shutil.which(tool, path=environ(place)["PATH"]) is None:
            pytest.skip(f"the recipe is not run: `{tool}` is not installed")
    done = subprocess.run(
        command, check=False, cwd=directory, env=environ(place), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = [tuple(re.split(r"[\t,]", line)) for line in done.stdout.splitlines()]
    return rows[1:] if "--csv" in command[-1] else rows


def told_by_sql(code: str) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in duckdb.execute(code).fetchall()]


def told_by_python(code: str, file: Path) -> list[tuple[str, ...]]:
    for module in re.findall(r"^import (\w+)", code, re.MULTILINE):
        pytest.importorskip(module)
    file.write_text(code)
    tokens = runpy.run_path(str(file))["tokens"]
    if isinstance(tokens, dict):
        rows = [(profile, *counts) for profile, counts in tokens.items()]
    else:
        rows = tokens.rows() if hasattr(tokens, "rows") else list(tokens.itertuples(name=None))
    return sorted(tuple(map(str, row)) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "trl"])
def test_a_recipe_tells_what_is_in_the_log(
    name: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call once, whatever the form of the files; what was set aside is not read."""
    language, code = BLOCKS[name]
    directory = place.home if name in EXPORTS else place.log
    if name in EXPORTS:
        told_by_shell(["bash", "-euo", "pipefail", "-c", BLOCKS[EXPORTS[name]][1]], place, place.log)
    monkeypatch.chdir(directory)

    match language:
        case "sh":
            found = told_by_shell(["bash", "-euo", "pipefail", "-c", code], place, directory)
        case "sql":
            found = told_by_sql(code)
        case _:
            found = told_by_python(code, tmp_path / "recipe.py")

    assert found == place.told[ANSWERS[name]]


@pytest.mark.slow
def test_the_recipe_for_trainers_loads_an_export(place: Place) -> None:
    """With the types that the manifest names."""
    pytest.importorskip("datasets")
    told_by_shell(["bash", "-euo", "pipefail", "-c", BLOCKS["export-trl"][1]], place, place.log)

    assert told_by_shell([sys.executable, "-c", BLOCKS["trl"][1]], place, place.home) == place.told["answer"]


def test_no_block_of_code_goes_untested() -> None:
    """Each is a recipe that is run, or settings that are looked at."""
    assert set(BLOCKS) == {*ANSWERS, *EXPORTS.values(), *LOADERS, *SETTINGS}
    assert PAGE.count("```") == 2 * len(BLOCKS)


def test_the_pattern_of_the_recipes_matches_days_alone() -> None:
    """Plain and compressed ones, and nothing that was set aside."""
    assert GLOB in PAGE
    assert all(fnmatch(name, GLOB) for name in (*DAYS, *COMPRESSED))
    assert not any(fnmatch(name, GLOB) for name in ASIDE)


def follows(name: str, include: str, exclude: str) -> bool:
    path = str(Path(include).with_name(name))
    return fnmatch(path, include) and not fnmatch(path, exclude)


def test_vector_takes_long_lines_of_plain_days() -> None:
    """16 MB, from the beginning, and no compressed file."""
    source = tomllib.loads(BLOCKS["vector"][1])["sources"]["arawn"]

    (include,), (exclude,) = source["include"], source["exclude"]
    assert [name for name in (*DAYS, *COMPRESSED, *ASIDE) if follows(name, include, exclude)] == [*DAYS]
    assert source["max_line_bytes"] >= 16_000_000
    assert source["read_from"] == "beginning"


def test_fluent_bit_takes_long_lines_of_plain_days() -> None:
    """16 MB, from the beginning, with checkpoints, and no compressed file."""
    (source,) = pytest.importorskip("yaml").safe_load(BLOCKS["fluent-bit"][1])["pipeline"]["inputs"]

    followed = [name for name in (*DAYS, *COMPRESSED, *ASIDE) if follows(name, source["path"], source["exclude_path"])]
    assert followed == [*DAYS]
    assert int(source["buffer_max_size"].removesuffix("M")) * 1_000_000 > 16_000_000
    assert source["skip_long_lines"] is source["read_from_head"] is source["db.compare_filename"] is True
    assert source["db"]
