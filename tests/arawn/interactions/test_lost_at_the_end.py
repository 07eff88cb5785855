"""A writer that ends on a full disk: what it could not write is declared by the next one, and never forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from arawn.interactions.record import GapLine
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.failing_filesystem import FullDisk
from tests.arawn.interactions.mending_logs import CONFIG
from tests.arawn.interactions.samples import Clock, record


def lost_two(directory: Path) -> None:
    clock, filesystem = Clock(), FullDisk()
    log = open_day_log(directory, CONFIG, filesystem=filesystem, clock=clock)
    filesystem.is_full = True
    log.take([replace(record(number, clock.at), system_prompt="x" * 8_000) for number in (1, 2)])
    with pytest.raises(LogWriteFailed):
        log.close()


def gaps(directory: Path) -> list[Any]:
    lines = [json.loads(line) for path in directory.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return [line for line in lines if line["kind"] == "gap"]


def test_verify_does_not_call_it_clean(tmp_path: Path) -> None:
    """Before anything else was written, the loss is known."""
    lost_two(tmp_path / "log")

    report = check_directory(tmp_path / "log")

    assert [(problem.file, problem.kind) for problem in report.problems] == [(".lock", "lost")]
    assert "2 records never written" in str(report.problems[0])


def test_the_next_writer_declares_it_once(tmp_path: Path) -> None:
    """As a gap with count and reason; the writer after that has nothing to declare."""
    directory = tmp_path / "log"
    lost_two(directory)

    for _ in range(2):
        open_day_log(directory, CONFIG, clock=Clock()).close()

    (gap,) = gaps(directory)
    assert (gap["count"], "No space left" in gap["reason"]) == (2, True)
    report = check_directory(directory)
    assert (report.problems, [declared.count for declared in report.declared]) == ((), [2])


def test_a_start_that_fails_forgets_nothing(tmp_path: Path) -> None:
    """While the disk is full, no writer comes in, and the note stays."""
    directory, filesystem = tmp_path / "log", FullDisk()
    lost_two(directory)
    filesystem.is_full = True
    tomorrow = Clock()
    tomorrow.step(days=1)

    with pytest.raises(LogWriteFailed):
        open_day_log(directory, CONFIG, filesystem=filesystem, clock=tomorrow)

    assert "2 records never written" in str(check_directory(directory).problems[0])


def test_a_gap_that_found_no_room_counts_for_all_that_it_declares(tmp_path: Path) -> None:
    """Six records that a gap stands for and one record of its own are seven; it alone is the writer's loss."""
    directory, clock, filesystem = tmp_path / "log", Clock(), FullDisk()
    log = open_day_log(directory, CONFIG, filesystem=filesystem, clock=clock)
    filesystem.is_full = True
    long, gap = "x" * 8_000, GapLine(count=6, reason="no room", timestamp="2026-01-28T00:00:00.000000Z")
    log.take([replace(record(1, clock.at), system_prompt=long), gap])
    with pytest.raises(LogWriteFailed):
        log.close()

    assert log.pending.unwritten == 1
    assert "7 records never written" in str(check_directory(directory).problems[0])


def test_losses_of_several_writers_add_up(tmp_path: Path) -> None:
    """A writer that could declare nothing leaves what it found, and its own."""
    lost_two(tmp_path / "log")
    lost_two(tmp_path / "log")

    assert [gap["count"] for gap in gaps(tmp_path / "log")] == [2]
    assert "2 records never written" in str(check_directory(tmp_path / "log").problems[0])
