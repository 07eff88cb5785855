"""The commands that count and query the log: tables, bars, JSON and CSV of the same figures."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


@pytest.mark.slow
def test_a_long_query_can_be_interrupted(asked: list[str], place: Place) -> None:
    """Ctrl-C ends it as every other command: exit code 130, without a word."""
    long = "SELECT count(*) FROM range(10000000000) t(a), range(1000) u(b) WHERE a % 7 = b"
    child = place.popen("interactions", "sql", long)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=15)
    finally:
        child.kill()

    assert (child.returncode, out, err.strip()) == (130, "", "")


def test_stats_count_by_what_is_asked_for(asked: list[str], command: Command) -> None:
    """As a table, and as JSON with the same figures."""
    table = command("interactions", "stats", "--by", "profile,status").out.splitlines()
    whole = json.loads(command("interactions", "stats", "--by", "profile,status", "--json").out)

    assert table[0].split()[:4] == ["profile", "status", "calls", "errors"]
    assert [row["by"] for row in whole["rows"]] == [
        {"profile": "default", "status": "ok"},
        {"profile": "fast", "status": "ok"},
    ]
    assert [row["calls"] for row in whole["rows"]] == [2, 1] or [row["calls"] for row in whole["rows"]] == [1, 2]
    assert whole["total"]["calls"] == 3


def test_stats_have_no_name_for_what_has_none(asked: list[str], command: Command) -> None:
    """Null in JSON, as in the log and in SQL."""
    rows = json.loads(command("interactions", "stats", "--by", "session,workstream", "--json").out)["rows"]

    assert None in [row["by"]["session"] for row in rows] + [row["by"]["workstream"] for row in rows]
    assert "" not in [text for row in rows for text in row["by"].values()]


def test_stats_are_cut_to_fields_and_groups(asked: list[str], command: Command) -> None:
    """`--fields` chooses figures, `--limit` the largest groups."""
    shown = command("interactions", "stats", "--by", "profile", "--limit", "1", "--fields", "calls,duration_ms.p50").out

    whole = json.loads(command("interactions", "stats", "--by", "profile", "--fields", "calls", "--json").out)

    assert whole["total"] == {"calls": 3, "by": {}}
    assert [[*row] for row in whole["rows"]] == [["calls", "by"]] * 2
    header, row = shown.splitlines()
    assert header.split() == ["profile", "calls", "duration_ms.p50"]
    assert row.split()[1] == "2"


@pytest.mark.parametrize(
    ("what", "title"),
    [
        ("--plot", "calls"),
        ("--plot=tokens", "tokens in"),
        ("--plot=latency", "duration in ms, p95"),
        ("--plot=ttft", "time to the first token in ms, p95"),
    ],
)
def test_stats_draw_bars(asked: list[str], command: Command, what: str, title: str) -> None:
    """One for each group below what they are, with its unit, and no table."""
    heading, *lines = command("interactions", "stats", "--by", "workstream,status", what).out.splitlines()

    assert heading == f"{title}, by workstream, status"
    assert [line.split()[0] for line in lines] == ["(none)", "research"]
    assert what != "--plot" or "█" in lines[1]


def test_sql_answers_as_table_json_and_csv(asked: list[str], command: Command) -> None:
    """The same rows; JSON within JSON stays JSON, nothing is an empty cell."""
    query = "SELECT id, tags, messages, routing.confidence AS sure, NULL AS nothing FROM interactions ORDER BY seq"

    table = command("interactions", "sql", query).out.splitlines()
    whole = json.loads(command("interactions", "sql", query, "--json").out)
    rows = list(csv.DictReader(io.StringIO(command("interactions", "sql", "-", "--csv", piped=query).out)))

    assert table[0].split() == ["id", "tags", "messages", "sure", "nothing"]
    assert [row["id"] for row in whole] == [row["id"] for row in rows] == asked
    assert whole[1]["tags"] == {"team": "search", **whole[1]["tags"]}
    assert whole[0]["messages"][0]["role"] == "user"
    assert rows[0]["nothing"] == ""


ODD = "select 'a\rb' as cr, chr(27) || '[32mPASS' as green, '' as empty, null as nothing, 'q\"x,' as quoted, 1.5 as n"


def test_csv_has_every_value_as_it_is(asked: list[str], command: Command) -> None:
    """A bare carriage return, as of a progress bar, is no end of a row; NULL is not the empty text; colours stay."""
    out = command("interactions", "sql", "--csv", ODD).out

    assert out.splitlines(keepends=True)[0] == "cr,green,empty,nothing,quoted,n\n"
    assert out.partition("\n")[2] == '"a\rb",\x1b[32mPASS,"",,"q""x,",1.5\n'
    assert list(csv.reader(io.StringIO(out, newline="")))[1] == ["a\rb", "\x1b[32mPASS", "", "", 'q"x,', "1.5"]
    assert command("interactions", "sql", "--csv", "select null as x").out == 'x\n""\n'


def test_decimals_are_numbers(asked: list[str], command: Command) -> None:
    """What tokens cost is one: `0.000015` is a decimal to DuckDB."""
    out = command("interactions", "sql", "--json", "select 3 * 0.000015 as cost, 0.00::decimal(9, 2) as none").out

    assert json.loads(out) == [{"cost": 0.000045, "none": 0.0}]


def test_sql_without_rows_is_an_empty_array(asked: list[str], command: Command) -> None:
    """And a table without rows."""
    assert command("interactions", "sql", "select 1 where false", "--json").out == "[]\n"
    assert command("interactions", "sql", "select 1 as one where false").out == "one\n"


def test_without_duckdb_sql_says_what_to_install(
    asked: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 2 and one sentence."""
    monkeypatch.setitem(sys.modules, "duckdb", None)

    result = command("interactions", "sql", "select 1")

    assert (result.code, result.out) == (2, "")
    assert result.err == "arawn: `interactions sql` needs DuckDB: pip install 'arawn[analytics]'\n"
