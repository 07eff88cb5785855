"""`arawn interactions rm`: which calls it takes, and what it says of files that it does not read."""

from __future__ import annotations

import json

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place


def test_rm_takes_the_latest(asked: list[str], command: Command) -> None:
    """As `show` does."""
    result = command("interactions", "rm", "latest", "--yes")

    assert result.code == 0, result.err
    assert [call["id"] for call in json.loads(command("interactions", "list", "--json").out)] == asked[:-1]


@pytest.mark.parametrize("dry", [["--dry-run"], ["--yes"]], ids=["dry", "done"])
def test_rm_names_the_files_that_it_does_not_read(
    asked: list[str], command: Command, place: Place, dry: list[str]
) -> None:
    """Copies that are none of the log, whatever their name begins with, may hold what was removed."""
    names = ["backup.jsonl", "interactions-2026-11-22.copy.jsonl", "old"]
    for name in names:
        (place.log / name).write_text("")

    result = command("interactions", "rm", asked[0], *dry)

    assert [line.split(": ")[2] for line in result.err.splitlines()[1:]] == names


@pytest.mark.parametrize("source", ["ids.txt", "-"])
def test_rm_takes_ids_from_a_file(asked: list[str], command: Command, place: Place, source: str) -> None:
    """One a line, bare or as an object with an id, as `search --json` prints them."""
    lines = f'{asked[0].upper()}\n\n{{"id": "{asked[2]}", "places": []}}\n'
    (place.directory / "ids.txt").write_text(lines)

    result = command("interactions", "rm", "--yes", "--from", source, piped=lines)

    assert result.code == 0, result.err
    assert [call["id"] for call in json.loads(command("interactions", "list", "--json").out)] == [asked[1]]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"call": "x"}', "`ids.txt:1`: it is no id, nor an object with one"),
        ("", "`ids.txt` names no call"),
        (None, "`ids.txt` cannot be read: No such file"),
    ],
)
def test_rm_removes_nothing_by_a_wrong_file(
    asked: list[str], command: Command, place: Place, text: str | None, why: str
) -> None:
    """Least of all everything."""
    if text is not None:
        (place.directory / "ids.txt").write_text(text)

    result = command("interactions", "rm", "--yes", "--from", "ids.txt")

    assert (result.code, why in result.err) == (2, True), result.err
    assert len(json.loads(command("interactions", "list", "--json").out)) == len(asked)


def test_what_would_go_from_a_linked_directory_is_refused_as_rm_refuses_it(
    asked: list[str], command: Command, place: Place
) -> None:
    """In the same words, and before anybody is asked whether it shall go; readers read there."""
    place.log.rename(place.directory / "elsewhere")
    place.log.symlink_to(place.directory / "elsewhere")

    dry, done = (command("interactions", "rm", asked[0], flag) for flag in ("--dry-run", "--yes"))

    assert (dry.code, dry.err) == (done.code, done.err)
    assert (dry.code, "it is a symbolic link; set `logging.interactions.path`" in dry.err) == (1, True)
    assert len(json.loads(command("interactions", "list", "--json").out)) == len(asked)
