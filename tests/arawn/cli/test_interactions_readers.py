"""The commands that search the log and show one call of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.cli.terminal import Terminal
from tests.arawn.interactions.mending_logs import written_log


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


def test_search_shows_a_call_once(asked: list[str], command: Command) -> None:
    """With what a note about it says too; the limit is one of calls, and a note alone leads to a whole heading."""
    command("interactions", "feedback", asked[0], "meh", "--note", "no heron, a Zwiebelhaus")

    both = objects(command("interactions", "search", "heron", "-n", "3", "--json").out)
    noted = command("interactions", "search", "Zwiebelhaus").out.splitlines()

    assert [hit["id"] for hit in both] == asked
    assert "feedback.note" in str(both[0]["places"])
    assert noted[0].split()[2:] == [asked[0], "ok", "default", "echo"]
    assert noted[1:] == ["  feedback.note: no heron, a Zwiebelhaus"]


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


def test_the_call_before_is_shown_with_its_time_where_it_is_asked_for(asked: list[str], command: Command) -> None:
    """As the time of the call itself is."""
    for zone in ("UTC", "Asia/Kathmandu"):
        before, diff = (
            command("interactions", "show", *words, "--tz", zone).out.splitlines()
            for words in ((asked[1],), (asked[2], "--diff-prev"))
        )
        (time,) = re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", diff[0])
        assert any(time in line for line in before[:4])


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


@pytest.mark.slow
def test_on_a_terminal_a_match_stands_out(asked: list[str], place: Place) -> None:
    """In bold, unless colours are not wanted."""
    assert "\x1b[1mheron\x1b[0m" in Terminal(place, "interactions", "search", "heron").rest()
    place.environ["NO_COLOR"] = "1"
    assert "\x1b[1m" not in Terminal(place, "interactions", "search", "heron").rest()


@pytest.mark.parametrize("part", ["--request", "--response"])
def test_a_part_of_a_call_begins_with_its_first_line(asked: list[str], command: Command, part: str) -> None:
    """What is piped on has no empty line before it."""
    assert command("interactions", "show", "latest", part).out[0] not in "\n "
