"""`arawn interactions compact`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from tests.arawn.cli.conftest import Command
from tests.arawn.interactions.samples import CONFIG
from tests.arawn.interactions.simulated_filesystem import os_error


@pytest.fixture
def log(command: Command) -> Path:
    """A log with one call of today and one line each of yesterday and of ten days ago."""
    command("ask", "one")
    directory = Path(command("interactions", "path").out.strip())
    for days in (1, 10):
        (directory / name(days)).write_text('{"kind":"x"}\n')
    return directory


def name(days_ago: int) -> str:
    return f"interactions-{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d}.jsonl"


def test_closed_days_are_compressed(log: Path, command: Command) -> None:
    """What is older than `compact_after_days` goes; the log itself tells of it; nothing is left to do."""
    result = command("interactions", "compact")
    again = command("interactions", "compact")

    assert (result.code, again.code) == (0, 0)
    assert f"{name(10)}.zst" in result.out
    assert [path.name for path in log.glob("*.zst")] == [f"{name(10)}.zst"]
    assert not (log / name(10)).exists()
    assert (log / name(1)).exists()
    assert b'"event":"compaction"' in (log / name(0)).read_bytes()
    assert again.err == "nothing is closed that is not compressed\n"


def test_all_closed_means_every_day_before_today(log: Path, command: Command) -> None:
    """With `--all-closed` yesterday goes too, and never today."""
    result = command("interactions", "compact", "--all-closed", "--json")

    compressed = [made["file"] for made in json.loads(result.out)["compressed"]]
    assert compressed == [f"{name(10)}.zst", f"{name(1)}.zst"]
    assert (log / name(0)).exists()
    assert [len(list(forward_lines(log / f"{name(days)}.zst"))) for days in (1, 10)] == [1, 1]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_dry_run_changes_nothing(log: Path, command: Command, as_json: bool) -> None:
    """It names what would be compressed, also while a daemon runs."""
    held = open_day_log(log, CONFIG)
    before = {path.name: path.read_bytes() for path in log.iterdir()}

    result = command("interactions", "compact", "--dry-run", *(["--json"] if as_json else []))

    assert result.code == 0
    assert name(10) in result.out
    assert name(1) not in result.out
    assert {path.name: path.read_bytes() for path in log.iterdir()} == before
    held.close()


def test_whoever_writes_to_the_log_is_named(log: Path, command: Command) -> None:
    """One clear sentence, and nothing changes."""
    held = open_day_log(log, CONFIG)

    result = command("interactions", "compact")

    held.close()
    assert result.code == 1
    assert f"{os.getpid()}" in result.err
    assert (log / name(10)).exists()


def test_without_a_log_it_says_so(command: Command) -> None:
    """Wrong use, not a failure."""
    result = command("interactions", "compact")

    assert result.code == 2
    assert "there is no interaction log" in result.err


def test_never_by_configuration_needs_the_option(log: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compact_after_days = 0` is answered with what would be right."""
    monkeypatch.setenv("ARAWN_LOGGING__INTERACTIONS__COMPACT_AFTER_DAYS", "0")

    assert command("interactions", "compact").code == 2
    assert command("interactions", "compact", "--all-closed").code == 0


def test_one_bad_file_does_not_hold_up_the_others(log: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays as it is and is named; the exit code is 1."""
    real = Filesystem.open

    def refuse(self: Filesystem, path: Path, flags: int, mode: int) -> int:
        if path.name == f"{name(10)}.zst.new":
            raise os_error(28)
        return real(self, path, flags, mode)

    monkeypatch.setattr(Filesystem, "open", refuse)

    result = command("interactions", "compact", "--all-closed")

    assert result.code == 1
    assert f"cannot compress `{name(10)}`, it stays as it is: No space left on device" in result.err
    assert (log / name(10)).exists()
    assert (log / f"{name(1)}.zst").exists()


def test_an_interrupt_leaves_everything_as_it_was(log: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, the source is there, nothing half done is."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("arawn.interactions.compact.seek_table", interrupt)

    result = command("interactions", "compact")

    assert result.code == 130
    assert (log / name(10)).exists()
    assert not list(log.glob("*.new"))
    assert not list(log.glob("*.zst"))


@pytest.mark.parametrize("arguments", [["--dry-run"], []], ids=["dry run", "work"])
def test_what_is_no_file_is_named_and_left_alone(log: Path, command: Command, arguments: list[str]) -> None:
    """A link, a pipe and a directory in the place of closed days hold up nothing, and no dry run promises them."""
    (log / name(20)).symlink_to(log / name(1))
    os.mkfifo(log / name(21))
    (log / name(22)).mkdir()

    result = command("interactions", "compact", "--json", *arguments)

    found = next(iter(json.loads(result.out).values()))
    assert (result.code, [made["file"].removesuffix(".zst") for made in found]) == (0, [name(10)])
    assert [line.split("`")[1] for line in result.err.splitlines()] == [name(22), name(21), name(20)]
    assert "is no regular file" in result.err
    assert [(log / name(days)).exists() for days in (1, 20, 21, 22)] == [True] * 4
