"""The commands that read the log."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place


@pytest.fixture
def asked(command: Command) -> list[str]:
    """Three calls in the log; their ids."""
    command("ask", "one")
    command("ask", "-w", "research", "-p", "fast", "--tag", "team=search", "two")
    command("ask", "three")
    return [head["id"] for head in json.loads(command("interactions", "list", "--json").out)]


def test_the_newest_is_last_and_ids_are_whole(asked: list[str], command: Command) -> None:
    """What is shown of an id finds it again; where nobody watches, all of it is shown."""
    header, *rows = command("interactions", "list").out.splitlines()

    assert header.split() == ["time", "id", "profile", "model", "status", "tokens", "ms", "workstream"]
    shown = [row.split()[2] for row in rows]
    assert shown == asked
    assert json.loads(command("interactions", "show", shown[1], "--json").out)["id"] == asked[1]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-n", "2"], [1, 2]),
        (["-w", "research"], [1]),
        (["--profile", "fast"], [1]),
        (["--tag", "team=search"], [1]),
        (["--tag", "team=other"], []),
        (["--since", "1h", "--until", "2999-01-01"], [0, 1, 2]),
        (["--date", "2001-01-01", "--tz", "UTC"], []),
        (["--until", "2001-01-01"], []),
        (["--status", "error"], []),
        (["--has-error"], []),
        (["--model", "echo"], [0, 2]),
        (["--min-duration", "600000"], []),
    ],
)
def test_filters_choose(asked: list[str], command: Command, arguments: list[str], found: list[int]) -> None:
    """Each filter narrows, for `list` and `tail` alike."""
    listed = json.loads(command("interactions", "list", "--json", *arguments).out)
    tailed = [json.loads(line) for line in command("interactions", "tail", "--json", *arguments).out.splitlines()]

    assert [head["id"] for head in listed] == [asked[place] for place in found]
    assert [head["id"] for head in tailed] == [asked[place] for place in found]


@pytest.mark.parametrize(
    "arguments", [["list", "--since", "yore"], ["list", "--tz", "Mars/Base"], ["show", "nope"], ["show", "0"]]
)
def test_what_cannot_be_read_is_wrong_use(asked: list[str], command: Command, arguments: list[str]) -> None:
    """One message that says what would be right; an id that several have is no id."""
    result = command("interactions", *arguments)

    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1


def test_one_call_is_shown_whole(asked: list[str], command: Command) -> None:
    """Settings, conversation, answer, tokens."""
    command("ask", "-w", "research", "-s", "be brief", "three")

    shown = command("interactions", "show", "latest").out

    for part in ("workstream  research", "system:\n  be brief", "user:\n  two", "assistant:\n  echo: two", "answer:"):
        assert part in shown
    assert "profile     default (the default profile)" in shown
    assert "tokens      " in shown


def test_a_failed_call_is_shown_with_its_error(command: Command, place: Place) -> None:
    """Type, status and message."""
    script = place.directory / "fault.toml"
    script.write_text('[[steps]]\nerror = { status = 401, message = "wrong key" }\n')
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n')
    command("ask", "hi")

    shown = command("interactions", "show", "latest").out

    assert "status      error" in shown
    assert "error (AuthFailed 401):" in shown


def test_a_damaged_line_is_named_and_skipped(asked: list[str], command: Command, place: Place) -> None:
    """The rest is shown; the warning says file and line."""
    file = next(place.log.glob("*.jsonl"))
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], "{broken\n", *lines[2:]]))

    result = command("interactions", "list", "--json")

    assert [head["id"] for head in json.loads(result.out)] == asked
    assert result.err.startswith(f"arawn: warning: {file.name}:3: ")


@pytest.mark.parametrize(
    "reader",
    [
        ("list",),
        ("list", "--since", "7d"),
        ("tail", "-n", "9"),
        ("search", "heron"),
        ("stats", "--by", "day"),
        ("sql", "SELECT id FROM interactions"),
        ("show", "latest"),
    ],
)
def test_a_line_of_no_time_is_named_and_skipped(
    asked: list[str], command: Command, place: Place, reader: tuple[str, ...]
) -> None:
    """As `verify` names it; what is beside it is read."""
    (file,) = place.log.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"timestamp":"20', b'"timestamp":"2=', 2))  # the start mark, a call

    result = command("interactions", *reader)

    assert result.code == 0
    assert "unexpected" not in result.err
    assert "is no timestamp" in result.err or reader[0] in ("show", "search")  # which look at what they are asked for


@pytest.mark.parametrize(
    ("whole", "damaged", "said", "json_helps"),
    [
        (b'"messages":[', b'"messages":;', "is damaged", False),
        (b'"messages":[{"role"', b'"messages":[{"ro\xffe"', "is damaged", True),
        (b'"content":[{"type"', b'"content":[{"tipe"', "has what cannot be shown", True),
        (b'"content":[{"type"', b'"content":[5,{"type"', "has what cannot be shown", True),
        (b'"messages":[', b'"messages":["x",', "has what cannot be shown", True),
        (b'"messages":[', b'"messages":[{"role":"user","content":null},', "has what cannot be shown", True),
        (b'"messages":[', b'"messages":[{"role":"user","sha256":"a"},', "has what cannot be shown", True),
    ],
    ids=["no JSON", "no UTF-8", "no message", "no block", "a text", "no content", "no size"],
)
def test_a_damaged_record_is_shown_as_far_as_it_can_be(
    asked: list[str], command: Command, place: Place, whole: bytes, damaged: bytes, said: str, json_helps: bool
) -> None:
    """`--json` prints what is there, and is advised only where it does; else one sentence says what is wrong."""
    (file,) = place.log.glob("*.jsonl")
    before, key, after = file.read_bytes().rpartition(whole)
    file.write_bytes(before + key.replace(whole, damaged) + after)

    for arguments in ([], ["--request"], ["--json"], ["--request", "--json"], ["--response", "--json"]):
        result = command("interactions", "show", asked[-1], *arguments)
        assert "unexpected" not in result.err
        if json_helps and "--json" in arguments:
            assert (result.code, result.err) == (0, "")
            continue
        assert result.code == 1
        assert result.err.startswith(f"arawn: `{file}`: interaction {asked[-1]} {said}: ")
        assert ("--json` prints" in result.err, "repair" in result.err) == (json_helps, said == "is damaged")


def test_without_a_log_there_is_nothing_to_show(command: Command, place: Place) -> None:
    """Every reader says so, with one exit code; the path is known all the same."""
    for arguments in (
        ["list"],
        ["list", "--json"],
        ["tail"],
        ["show", "latest"],
        ["search", "x"],
        ["stats"],
        ["verify"],
    ):
        result = command("interactions", *arguments)
        said = f"arawn: there is no interaction log at `{place.log}` yet; the first call makes it\n"
        assert (result.code, result.out, result.err) == (2, "", said)
    assert command("interactions", "path").out == f"{place.log}\n"


def test_tail_goes_on_with_what_is_written(asked: list[str], command: Command, place: Place) -> None:
    """`tail -f` shows the last ones, then new ones as they come, each once; Ctrl-C ends it with 130."""
    child = place.popen("interactions", "tail", "-f", "-n", "1", "--json")
    try:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["id"] == asked[-1]
        command("ask", "four")
        assert json.loads(child.stdout.readline())["id"] not in asked
        child.send_signal(2)
        assert child.wait(PATIENCE) == 130
    finally:
        child.kill()
        child.communicate()


def test_a_failed_call_is_listed_with_the_type_of_its_error(command: Command, place: Place) -> None:
    """What went wrong is seen without opening it."""
    script = place.directory / "fault.toml"
    script.write_text('[[steps]]\nerror = { status = 503, message = "busy" }\n')
    place.configure(f'[llm]\nbackend = "scripted"\nscript = "{script}"\nretry = {{ attempts = 1 }}\n')
    command("ask", "hi")

    assert "  error Overloaded  " in command("interactions", "list").out
    assert "  error Overloaded  " in command("interactions", "tail").out


def test_an_empty_list_says_so(command: Command, place: Place) -> None:
    """In one line on stderr; stdout has the headers alone, or an empty array."""
    command("ask", "hi")
    nobodys = ("--profile", "nobody")

    table, whole = command("interactions", "list", *nobodys), command("interactions", "list", "--json", *nobodys)

    assert (len(table.out.splitlines()), len(table.err.splitlines())) == (1, 1)
    assert str(place.log) in table.err
    assert whole.out == "[]\n"


@pytest.mark.parametrize("arguments", [["list"], ["tail"], ["tail", "-f"], ["stats"], ["verify"], ["search", "x"]])
def test_what_is_no_directory_holds_no_log(command: Command, place: Place, arguments: list[str]) -> None:
    """It is not taken for a log that the first call will make."""
    place.log.write_text("something else")

    result = command("interactions", *arguments)

    assert (result.code, "is no directory" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "2d", "--until", "3d"], "since `2d`, until `3d`: nothing is both from 2"),
        (["--date", "today", "--until", "1w"], "the beginning asked for is not before the end"),
        (["--fields", "tags."], "ends with a dot"),
        (["--tz", "+25:00"], "there is no time zone"),
    ],
)
def test_what_can_find_nothing_is_said(asked: list[str], command: Command, arguments: list[str], said: str) -> None:
    """An empty answer would be believed."""
    result = command("interactions", "list", *arguments)

    assert (result.code, said in result.err) == (2, True), result.err


@pytest.mark.parametrize(("zone", "same"), [("utc", "UTC"), ("Z", "UTC"), ("z", "UTC"), ("+0545", "+05:45")])
def test_a_zone_has_several_spellings(asked: list[str], command: Command, zone: str, same: str) -> None:
    """As ISO 8601 writes them, with and without a colon, in either case."""
    shown, known = (command("interactions", "list", "--tz", name) for name in (zone, same))

    assert (shown.code, shown.out) == (0, known.out)


def test_all_attempts_of_one_call_are_listed(asked: list[str], command: Command) -> None:
    """By the id that they share."""
    calls = json.loads(command("interactions", "list", "--json").out)

    found = json.loads(command("interactions", "list", "--json", "--call", calls[1]["call_id"]).out)

    assert found == [calls[1]]


def test_a_zone_can_be_an_offset(asked: list[str], command: Command) -> None:
    """As times are written with it."""
    utc, ahead = (command("interactions", "list", "--tz", zone).out.splitlines()[1] for zone in ("UTC", "+02:00"))

    moments = [datetime.fromisoformat(row[:19]) for row in (utc, ahead)]
    assert moments[1] - moments[0] == timedelta(hours=2)
