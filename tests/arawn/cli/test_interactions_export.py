"""`arawn interactions export`."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import SCRIPTED, Place
from tests.arawn.cli.terminal import Terminal

EXPORT = ("interactions", "export", "--format")


@pytest.fixture
def asked(command: Command) -> None:
    """Two conversations, one of two turns."""
    command("ask", "-w", "research", "one")
    command("ask", "-w", "research", "two")
    command("ask", "three")


@pytest.mark.parametrize("name", ["jsonl", "openai-chat", "trl", "sharegpt", "router"])
def test_lines_are_written_with_a_manifest_beside_them(asked: None, command: Command, place: Place, name: str) -> None:
    """And a summary on stderr, unless it is to be quiet."""
    result = command(*EXPORT, name, "-o", "rows.jsonl")

    rows = (place.directory / "rows.jsonl").read_bytes().splitlines()
    manifest = json.loads((place.directory / "rows.jsonl.manifest.json").read_bytes())
    assert (result.code, result.out) == (0, "")
    assert len(rows) == manifest["rows"] == (3 if name in {"jsonl", "router"} else 2)
    assert result.err.startswith(f"{len(rows)} of {len(rows)} ")
    assert command(*EXPORT, name, "-o", "again.jsonl", "--quiet").err == ""
    assert (place.directory / "again.jsonl").read_bytes().splitlines() == rows


def test_parquet_is_a_directory(asked: None, command: Command, place: Place) -> None:
    """`--json` prints the manifest."""
    result = command(*EXPORT, "parquet", "-o", "table", "--json")

    manifest = json.loads(result.out)
    assert (result.code, manifest["rows"]) == (0, 3)
    assert [
        str(file.relative_to(place.directory / "table")) for file in (place.directory / "table").rglob("*.parquet")
    ] == [output["file"] for output in manifest["outputs"]]


@pytest.mark.parametrize(("name", "place_of"), [("parquet", "interactions-parquet"), ("trl", "interactions-trl.jsonl")])
def test_without_a_name_the_format_names_it(
    asked: None, command: Command, place: Place, name: str, place_of: str
) -> None:
    """Where the command was called, which says so; a second one replaces nothing unasked."""
    result, again = command(*EXPORT, name), command(*EXPORT, name)

    assert (result.code, again.code) == (0, 2)
    assert f" written to {place_of}\n" in result.err
    assert (place.directory / place_of).exists()
    assert (place.directory / f"{place_of}.manifest.json").exists()
    assert "`--overwrite` replaces it" in again.err


def test_rows_go_to_stdout(asked: None, command: Command, place: Place) -> None:
    """The summary does not."""
    result = command(*EXPORT, "jsonl", "-o", "-", "-w", "research")

    assert [json.loads(line)["workstream"] for line in result.out.splitlines()] == ["research", "research"]
    assert result.err == "2 of 2 interactions written\n"
    assert not list(place.directory.glob("-*"))


def test_features_of_router_rows_are_found_by_the_keywords_configured(
    asked: None, command: Command, place: Place
) -> None:
    """And by the thresholds, with routing on or off."""
    place.configure(f'{SCRIPTED}[routing]\nkeywords = ["three"]\nmoderate_length_gt = 1\n')

    rows = [json.loads(line) for line in command(*EXPORT, "router", "-o", "-").out.splitlines()]

    assert [row["features"]["keyword_signals"] for row in rows] == [[], [], ["three"]]
    assert {row["features"]["estimated_complexity"] for row in rows} == {"moderate"}


@pytest.mark.parametrize(("name", "rows"), [("jsonl", 2), ("trl", 1)])
def test_the_first_calls_alone_try_an_export_out(asked: None, command: Command, name: str, rows: int) -> None:
    """Oldest first, as rows go; the manifest says so among its filters. It is of calls, not of conversations."""
    manifest = json.loads(command(*EXPORT, name, "-o", "rows", "--limit", "2", "--json").out)

    assert (manifest["filters"], manifest["interactions"], manifest["rows"]) == ({"limit": 2}, 2, rows)
    first = command(*EXPORT, "jsonl", "-o", "-", "-q", "--limit", "1").out
    assert [json.loads(line)["messages"][0]["content"][0]["text"] for line in first.splitlines()] == ["one"]


def test_reasons_can_be_chosen(asked: None, command: Command) -> None:
    """What is dropped is counted by reason."""
    result = command(*EXPORT, "trl", "-o", "rows", "--drop", "no_tools")

    assert result.err == "0 of 2 conversations written to rows (dropped: 2 no_tools)\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["jsonl", "-o", "."], "no name of its own"),
        (["jsonl", "-o", "config"], "not a regular file"),
        (["jsonl", "-o", "rows/"], "names a directory"),
        (["jsonl", "-o", "nowhere/rows"], "make it first"),
        (["jsonl", "-o", "config/interactions/rows"], "inside the interaction log"),
        (["jsonl", "-o", "there"], "--overwrite"),
        (["parquet", "-o", "-"], "cannot go to stdout"),
        (["jsonl", "-o", "-", "--json"], "prints the manifest on stdout"),
        (["jsonl", "-o", "rows", "--per-call"], "a row a call as it is"),
        (["trl", "-o", "rows", "--keep", "error"], "no whole answer"),
        (["trl", "-o", "rows", "--keep", "redacted", "--drop", "redacted"], "both kept and dropped"),
        (["trl", "-o", "rows", "--since", "yore"], "is no time"),
    ],
)
def test_what_cannot_be_done_is_wrong_use(
    asked: None, command: Command, place: Place, arguments: list[str], why: str
) -> None:
    """One sentence, and nothing is written."""
    (place.directory / "there").write_bytes(b"mine")
    before = set(place.directory.rglob("*"))

    result = command(*EXPORT, *arguments)

    assert (result.code, result.out) == (2, "")
    assert why in result.err
    assert len(result.err.splitlines()) == 1
    assert set(place.directory.rglob("*")) == before


def test_without_a_log_there_is_nothing_to_export(command: Command) -> None:
    """It says so, and makes none."""
    result = command(*EXPORT, "jsonl", "-o", "rows")

    assert (result.code, len(result.err.splitlines())) == (2, 1)


def test_parquet_says_what_to_install(asked: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it reads anything."""
    monkeypatch.setitem(sys.modules, "duckdb", None)

    result = command(*EXPORT, "parquet", "-o", "table")

    assert result.code == 2
    assert "pip install 'arawn[analytics]'" in result.err


def test_damage_is_named_and_the_rest_is_written(asked: None, command: Command, place: Place) -> None:
    """A damaged log does not stop an export."""
    (path,) = place.log.glob("*.jsonl")
    path.write_bytes(b"{no\n" + path.read_bytes())

    result = command(*EXPORT, "jsonl", "-o", "rows")

    assert (result.code, len(result.err.splitlines())) == (0, 2)
    assert f"{path.name}:1: skipped" in result.err
    assert "1 damaged place" in result.err


def test_what_a_killed_one_left_is_removed_and_named(asked: None, command: Command, place: Place) -> None:
    """By the next export to the same place."""
    (place.directory / ".rows.abcdefgh.unfinished").mkdir()

    result = command(*EXPORT, "jsonl", "-o", "rows")

    assert result.err.startswith(
        "arawn: removed `.rows.abcdefgh.unfinished`, which an export that was killed had left\n"
    )
    assert not list(place.directory.glob(".rows*"))


@pytest.mark.slow
@pytest.mark.parametrize(("made", "later"), [("jsonl", 0.0), ("parquet", 0.0), ("parquet", 0.6)])  # in DuckDB by then
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_half_made(
    asked: None, place: Place, number: signal.Signals, made: str, later: float
) -> None:
    """Exit code 130 or 143, and the directory as it was."""
    (path,) = place.log.glob("*.jsonl")
    call = max(path.read_bytes().splitlines(keepends=True), key=len)
    with path.open("ab") as file:
        for seq in range(60_000):
            file.write(call.replace(b'"seq":', b'"seq":7%d' % seq, 1))
    before = set(place.directory.iterdir())

    child = place.popen(*EXPORT, made, "-o", "rows")
    while not list(place.directory.glob(".rows.*")):
        assert child.poll() is None
    time.sleep(later)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)

    assert (child.returncode, err.strip()) == (128 + number, "")
    assert set(place.directory.iterdir()) == before


@pytest.mark.slow
def test_progress_shows_on_a_terminal(asked: None, place: Place) -> None:
    """And is gone when it is done."""
    terminal = Terminal(place, *EXPORT, "jsonl", "-o", "rows")

    shown = terminal.rest()

    assert "reading the log" in shown
    assert "3 of 3 interactions written" in shown
