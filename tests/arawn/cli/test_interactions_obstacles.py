"""What the commands that read the log do about wrong use, damage, and readers that leave."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import PATIENCE, Place


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
        ["list", "--tag", "job=1", "--tag", "job=2"],
        ["rm", "--dry-run", "--tag", "job=1", "--tag", "job=2"],
        ["tail", "--fields", "idd"],
        ["tail", "-f", "--until", "yesterday"],
        ["tail", "-f", "--date", "2026-01-28"],
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
        ["show", "latest", "--request", "--response"],
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
    "arguments", [["list"], ["search", "two"], ["search"], ["tail"], ["export", "-f", "jsonl", "-o", "-"]], ids=" ".join
)
def test_a_limit_beyond_any_log_is_none(asked: list[str], command: Command, arguments: list[str]) -> None:
    """All there is comes."""
    result = command("interactions", *arguments, "--limit", "99999999999999999999")

    assert result.code == 0, result.err
    assert asked[1] in result.out


@pytest.mark.parametrize(
    "arguments", [["search", "x"], ["stats"], ["sql", "select 1"], ["show", "latest"]], ids=" ".join
)
def test_without_a_log_there_is_nothing_to_read(command: Command, arguments: list[str]) -> None:
    """One message that says so."""
    result = command("interactions", *arguments)

    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)


@pytest.mark.slow
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
    """By every reader, on stderr; of an empty file only a compressed one is damaged."""
    (place.log / "interactions-2001-01-01.jsonl").write_bytes(b"garbage\n\xff\0 heron\n")
    (place.log / "interactions-2001-01-02.jsonl.zst").write_bytes(b"garbage heron\n")
    (place.log / "interactions-2001-01-03.jsonl.zst").touch()
    (place.log / "interactions-2001-01-04.jsonl").touch()

    for arguments in (["list", "--json"], ["search", "-e", "heron"], ["stats"], ["sql", "from interactions"]):
        result = command("interactions", *arguments)
        assert result.code == 0
        assert result.out
        assert "interactions-2001-01-01.jsonl:2: skipped: " in result.err
        assert "interactions-2001-01-02.jsonl.zst: skipped: " in result.err
        assert "interactions-2001-01-03.jsonl.zst: skipped: the file is damaged: it is empty" in result.err
        assert "interactions-2001-01-04" not in result.err


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
