"""The commands that search, count and query the log, and show one call of it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal
from tests.arawn.interactions.mending_logs import written_log


@pytest.fixture
def asked(command: Command) -> list[str]:
    """Three calls in the log; their ids."""
    command("ask", "where is the heron?")
    command("ask", "-w", "research", "-p", "fast", "--tag", "team=search", "two herons")
    command("ask", "-w", "research", "-s", "be brief", "a Kestrel")
    return [head["id"] for head in json.loads(command("interactions", "list", "--json").out)]


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["heron"], [0, 1, 2]),  # the third repeats the history of the second
        (["HERON"], []),
        (["-i", "HERON"], [0, 1, 2]),
        (["--regex", "heron.$"], [0, 1, 2]),
        (["--regex", r"\bheron\?"], [0]),
        (["be brief"], [2]),
        (["heron", "--profile", "fast"], [1]),
        (["heron", "-n", "1"], [2]),
        (["--tag", "team=search"], [1]),
        ([], [0, 1, 2]),
    ],
)
def test_search_finds_calls(asked: list[str], command: Command, arguments: list[str], found: list[int]) -> None:
    """By text, regular expression and filters; the oldest first."""
    result = command("interactions", "search", "--json", *arguments)

    assert [hit["id"] for hit in objects(result.out)] == [asked[place] for place in found]
    assert result.code == 0
    assert bool(result.err) == (not found)


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


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_expression_without_end_is_interrupted(command: Command, place: Place, number: signal.Signals) -> None:
    """Where Python's `re` takes exponential time, a person need not."""
    command("ask", "x" * 5_000)

    child = place.popen("interactions", "search", "-e", "(x+x+)+y")
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(2)
        child.send_signal(number)
        out, err = child.communicate(timeout=15)
    finally:
        child.kill()

    assert (child.returncode, out, err.strip()) == (128 + number, "", "")


def test_tail_waits_for_the_first_call(place: Place, tmp_path: Path) -> None:
    """Whoever looks on from the beginning sees all of it, whatever `-n` says of calls before."""
    written_log(tmp_path / "made", days=1, calls=12)
    child = place.popen("interactions", "tail", "-f", "-n", "0")
    try:
        assert child.stderr is not None
        assert "the first call makes it" in child.stderr.readline()
        (tmp_path / "made").rename(place.log)
        assert child.stdout is not None
        assert [child.stdout.readline().split()[3] for _ in range(12)] == ["fast"] * 12
    finally:
        child.kill()
        child.communicate(timeout=PATIENCE)


def test_search_shows_where_a_text_was_found(asked: list[str], command: Command) -> None:
    """Id, place and the line around it; with `--fields`, those instead."""
    shown = command("interactions", "search", "the heron", "--tz", "UTC").out
    fields = command("interactions", "search", "the heron", "--fields", "profile,model_used").out

    assert asked[0] in shown
    assert "  messages[0].content[0].text: where is the heron?\n" in shown
    assert fields.startswith("default  echo\n  response_content[0].text: ")


def test_search_reads_notes_and_says_what_it_cannot_read(asked: list[str], command: Command, place: Place) -> None:
    """A note leads to its call; a piece that is kept aside is named."""
    command("interactions", "feedback", asked[1], "meh", "--note", "Frau Zwiebelhaus")
    aside = place.log / "interactions-2026-01-01.jsonl.torn-20260101T000000.000000Z"
    aside.write_text("Zwiebelhaus")
    aside.chmod(0o600)

    result = command("interactions", "search", "Zwiebelhaus", "--json")

    assert [hit["id"] for hit in objects(result.out)] == [asked[1]]
    assert f"not searched, since no call can be read in it: {aside.name}; " in result.err
    assert command("interactions", "search", "Zwiebelhaus", "--quiet").err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", ""],
        ["search", "-e", "("],
        ["search", "--regex"],
        ["search", "x", "--fields", "nothing"],
        ["search", "x", "--since", "yore"],
        ["list", "--fields", "idd"],
        ["list", "--date", "0001-01-01", "--tz", "Asia/Tokyo"],
        ["list", "--date", "9999-12-31"],
        ["list", "--until", "9999-12-31", "--tz", "America/Los_Angeles"],
        ["list", "--since", "999999w"],
        ["tail", "--fields", "idd"],
        ["stats", "--by", "colour"],
        ["stats", "--by", ""],
        ["stats", "--fields", "colour"],
        ["stats", "--fields", "duration_ms"],
        ["stats", "--plot", "--json"],
        ["stats", "--plot", "--fields", "calls"],
        ["stats", "--plot=colour"],
        ["stats", "--tz", "Mars/Base"],
        ["sql", "selec"],
        ["sql", "delete from interactions"],
        ["sql", "select 1", "--json", "--csv"],
        ["sql"],
        ["show", "latest", "--request", "--fields", "id"],
        ["show", "latest", "--diff-prev", "--json"],
        ["show", "nope"],
        ["schema", "x"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_message(asked: list[str], command: Command, arguments: list[str]) -> None:
    """Code 2, nothing on stdout, no traceback."""
    result = command("interactions", *arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("arawn: ")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "arguments", [["search", "x"], ["stats"], ["sql", "select 1"], ["show", "latest"]], ids=" ".join
)
def test_without_a_log_there_is_nothing_to_read(command: Command, arguments: list[str]) -> None:
    """One message that says so."""
    result = command("interactions", *arguments)

    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)


def test_fields_are_columns_and_keys(asked: list[str], command: Command) -> None:
    """Dotted paths, bodies too, in tables and JSON of `list`, `tail` and `show`."""
    fields = ["--fields", "id,tags.team,messages.0.role", "--profile", "fast"]

    table = command("interactions", "list", *fields).out.splitlines()
    listed = json.loads(command("interactions", "list", "--json", *fields).out)
    tailed = objects(command("interactions", "tail", "--json", *fields).out)
    shown = json.loads(command("interactions", "show", asked[1], "--json", *fields[:2]).out)

    assert table[0].split() == ["id", "tags.team", "messages.0.role"]
    assert table[1].split() == [asked[1], "search", "user"]
    assert listed == tailed == [shown] == [{"id": asked[1], "tags.team": "search", "messages.0.role": "user"}]


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


def test_sql_without_rows_is_an_empty_array(asked: list[str], command: Command) -> None:
    """And a table without rows."""
    assert command("interactions", "sql", "select 1 where false", "--json").out == "[]\n"
    assert command("interactions", "sql", "select 1 as one where false").out == "one\n"


def test_every_line_obeys_the_printed_schema(asked: list[str], command: Command, place: Place) -> None:
    """Marks included."""
    schema = json.loads(command("interactions", "schema").out)
    lines = objects(next(place.log.glob("*.jsonl")).read_text())

    for line in lines:
        jsonschema.validate(line, schema)
    assert {line["kind"] for line in lines} >= {"interaction", "mark"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**lines[1], "kind": "other"}, schema)


def test_one_call_is_shown_by_parts(asked: list[str], command: Command) -> None:
    """What was sent, what came back, and what is new since the call before."""
    request, response, diff = (
        command("interactions", "show", asked[2], part).out for part in ("--request", "--response", "--diff-prev")
    )

    assert "be brief" in request
    assert "answer:" not in request
    assert "answer:" in response
    assert "be brief" not in response
    assert f"compared with {asked[1]}" in diff
    assert "+be brief" in diff
    assert "+   a Kestrel" in diff
    assert "+   two herons" not in diff


def test_the_first_call_has_none_before_it(asked: list[str], command: Command) -> None:
    """Nor has a call without a conversation."""
    assert "is the first call" in command("interactions", "show", asked[1], "--diff-prev").err
    assert command("interactions", "show", asked[0], "--diff-prev").code == 2


def test_parts_of_a_call_are_json_too(asked: list[str], command: Command) -> None:
    """Only their keys."""
    request = json.loads(command("interactions", "show", "latest", "--request", "--json").out)
    response = json.loads(command("interactions", "show", "latest", "--response", "--json").out)

    assert request["system_prompt"] == "be brief"
    assert "messages" not in response
    assert response["response_content"][0]["type"] == "text"


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["search", "heron"],
        ["stats"],
        ["sql", "from interactions"],
        ["sql", "from interactions", "--json"],
        ["show", "latest"],
        ["show", "latest", "--json"],
        ["tail", "--json"],
        ["tail", "-f"],
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves_is_no_error(asked: list[str], place: Place, arguments: list[str]) -> None:
    """A closed pipe ends the command without a word, and `set -o pipefail` sees no failure."""
    inside, outside = os.pipe()
    os.close(inside)
    child = place.popen("interactions", *arguments, stdout=outside)
    os.close(outside)

    _, err = child.communicate(timeout=PATIENCE)

    assert (child.returncode, err) == (0, "")


def test_a_verdict_that_nobody_hears_is_no_success(asked: list[str], place: Place) -> None:
    """A damaged log is not clean because the pipe was closed."""
    next(place.log.glob("*.jsonl")).write_bytes(b"garbage\n")
    inside, outside = os.pipe()
    os.close(inside)
    child = place.popen("interactions", "verify", stdout=outside)
    os.close(outside)

    child.communicate(timeout=PATIENCE)

    assert child.returncode == 1


def test_damage_is_named_and_the_rest_is_answered(asked: list[str], command: Command, place: Place) -> None:
    """By every reader, on stderr."""
    (place.log / "interactions-2001-01-01.jsonl").write_bytes(b"garbage\n\xff\0 heron\n")
    (place.log / "interactions-2001-01-02.jsonl.zst").write_bytes(b"garbage heron\n")

    for arguments in (["list", "--json"], ["search", "-e", "heron"], ["stats"], ["sql", "from interactions"]):
        result = command("interactions", *arguments)
        assert result.code == 0
        assert result.out
        assert "interactions-2001-01-01.jsonl:2: skipped: " in result.err
        assert "interactions-2001-01-02.jsonl.zst: skipped: " in result.err


def test_a_damaged_byte_of_a_message_is_named_and_what_is_whole_is_shown(
    asked: list[str], command: Command, place: Place
) -> None:
    """A row has what can be read; a page says where the damage is, and what shows the rest."""
    (file,) = place.log.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"Kestrel", b"Kestr\xffl"))
    last = asked[-1]

    for reader in ("list", "tail"):
        result = command("interactions", reader, "--fields", "id,messages")
        assert result.code == 0
        assert all(name in result.out for name in asked)
        assert f"interaction {last}: its messages cannot be read: " in result.err
    for arguments in ([], ["--request"], ["--diff-prev"]):
        result = command("interactions", "show", "latest", *arguments)
        assert result.code == 1
        assert result.err.startswith(f"arawn: `{file}`: interaction {last} is damaged: ")
        assert "unexpected" not in result.err
    assert "Kestr" in command("interactions", "show", last, "--json").out


def test_on_a_terminal_a_match_stands_out(asked: list[str], place: Place) -> None:
    """In bold, unless colours are not wanted."""
    assert "\x1b[1mheron\x1b[0m" in Terminal(place, "interactions", "search", "heron").rest()
    place.environ["NO_COLOR"] = "1"
    assert "\x1b[1m" not in Terminal(place, "interactions", "search", "heron").rest()


def test_without_duckdb_sql_says_what_to_install(
    asked: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 2 and one sentence."""
    monkeypatch.setitem(sys.modules, "duckdb", None)

    result = command("interactions", "sql", "select 1")

    assert (result.code, result.out) == (2, "")
    assert result.err == "arawn: `interactions sql` needs DuckDB: pip install 'arawn[analytics]'\n"


@pytest.mark.parametrize("part", ["--request", "--response"])
def test_a_part_of_a_call_begins_with_its_first_line(asked: list[str], command: Command, part: str) -> None:
    """What is piped on has no empty line before it."""
    assert command("interactions", "show", "latest", part).out[0] not in "\n "
