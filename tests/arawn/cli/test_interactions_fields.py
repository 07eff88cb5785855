"""Fields that somebody chose, and columns that a query names: in tables, lines and JSON."""

from __future__ import annotations

import io
import json
import weakref
from contextlib import redirect_stdout
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.cli import interactions
from arawn.cli.log_filters import filters_of
from arawn.cli.output import print_json, print_json_array
from arawn.interactions.entry import Entry
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.interactions.mending_logs import written_log


@pytest.fixture
def asked(command: Command) -> str:
    """A call with two lines in it, in the log; its id."""
    command("ask", "--tag", "job=night", "one\ntwo")
    (head,) = json.loads(command("interactions", "list", "--json").out)
    return str(head["id"])


@pytest.mark.parametrize("arguments", [["list"], ["tail"], ["show", "latest"], ["search", "one"]], ids=" ".join)
def test_a_field_named_twice_is_there_once(asked: str, command: Command, arguments: list[str]) -> None:
    """As with `--json`, where a key can be there once only."""
    once, twice = (
        command("interactions", *arguments, "--fields", fields)
        for fields in ("id,tags.job,tags", "id,tags.job,id,tags.job,tags")
    )

    assert (twice.code, twice.err, twice.out) == (0, "", once.out)
    assert asked in twice.out


@pytest.mark.parametrize("arguments", [["list"], ["tail"], ["show", "latest"], ["search"], ["stats"]], ids=" ".join)
def test_no_field_is_wrong_use(asked: str, command: Command, arguments: list[str]) -> None:
    """An empty text is no way to ask for the usual ones."""
    result = command("interactions", *arguments, "--fields", "")

    assert (result.code, result.out) == (2, "")
    assert "``; the f" in result.err


def test_feedback_is_a_field_of_show(asked: str, command: Command) -> None:
    """Whole, or a part of each judgement; other commands say where it is."""
    command("interactions", "feedback", asked, "good", "--note", "short")
    command("interactions", "feedback", asked, "bad")

    shown = command("interactions", "show", asked, "--fields", "id,feedback.label").out
    as_json = json.loads(command("interactions", "show", asked, "--fields", "feedback", "--json").out)
    listed = command("interactions", "list", "--fields", "feedback.label")

    assert shown.splitlines()[-1].split(maxsplit=1) == ["feedback.label", '["good","bad"]']
    assert [line["note"] for line in as_json["feedback"]] == ["short", None]
    assert as_json["feedback"] == json.loads(command("interactions", "show", asked, "--json").out)["feedback"]
    assert (listed.code, "`show --fields feedback`" in listed.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sql", "select messages->0->'content'->0->>'text' from interactions"],
        ["list", "--fields", "system_prompt"],
        ["tail", "--fields", "system_prompt"],
        ["search", "three", "--fields", "system_prompt"],
    ],
    ids=" ".join,
)
def test_a_row_is_one_line_when_piped(asked: str, command: Command, arguments: list[str]) -> None:
    r"""A line end in a value is shown as `\n`."""
    command("ask", "-s", "three\r\nfour", "one\ntwo")

    out = command("interactions", *arguments).out

    values = [line for line in out.splitlines() if "\\n" in line]
    assert values[-1:] == [r"one\ntwo" if arguments[0] == "sql" else r"three\r\nfour"]


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("select 1 a, 2 a", {"a": 1, "a_1": 2}),
        ("select 1 a, 2 a, 3 a_1, 4 a", {"a": 1, "a_2": 2, "a_1": 3, "a_3": 4}),
        ("select 1 a, 2 A", {"a": 1, "A": 2}),
        (
            "select 1 a, 2 a, '2026-01-28 12:00:00+00'::timestamptz a",
            {"a": 1, "a_1": 2, "a_2": "2026-01-28 12:00:00+00"},
        ),
    ],
)
def test_no_column_is_lost_in_json(asked: str, command: Command, query: str, row: dict[str, object]) -> None:
    """Of several with one name, the later ones have a number."""
    assert json.loads(command("interactions", "sql", query, "--json").out) == [row]


def test_a_tag_without_a_name_can_be_asked_for() -> None:
    """A program may have logged one; `--tag` without an equals sign is still refused elsewhere."""
    options = {"tz": "UTC", "date": None, "since": None, "until": None, "tag": ("=empty", "job=night")}

    assert filters_of(options, limit=None).tags == {"": "empty", "job": "night"}


@given(values=st.lists(st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5)))
def test_an_array_is_printed_as_one_document_would_be(values: list[object]) -> None:
    """Item by item, with the same bytes."""
    whole, items = io.StringIO(), io.StringIO()

    with redirect_stdout(whole):
        print_json(values)
    with redirect_stdout(items):
        print_json_array(map(msgspec.json.encode, values))

    assert items.getvalue() == whole.getvalue()


def test_a_long_list_keeps_lines_and_no_records(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each call only what is printed is in memory until the oldest is known, from which on it is printed."""
    written_log(place.log, days=2, calls=20)
    alive: weakref.WeakSet[Entry] = weakref.WeakSet()
    most = 0

    def counting(paths: tuple[str, ...], entry: Entry) -> bytes:
        nonlocal most
        alive.add(entry)
        most = max(most, len(alive))
        return real(paths, entry)

    real = interactions._json_of
    monkeypatch.setattr(interactions, "_json_of", counting)

    found = json.loads(command("interactions", "list", "-n", "1000", "--json").out)

    assert [head["id"] for head in found] == sorted(head["id"] for head in found)
    assert (len(found), most <= 2) == (40, True)


@pytest.mark.parametrize("arguments", [["list"], ["tail"], ["show", "latest"], ["search"]], ids=" ".join)
def test_a_time_that_was_chosen_is_of_the_zone(asked: str, command: Command, arguments: list[str]) -> None:
    """As the time that a listing has by itself; JSON has it as the log does."""
    chosen = [*arguments, "--fields", "timestamp", "--tz", "Asia/Kolkata"]

    shown = command("interactions", *chosen).out.split()[-1]
    logged = command("interactions", *chosen, "--json").out

    assert shown.endswith("+05:30")
    assert f"{datetime.fromisoformat(shown).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" in logged
