"""Real processes, killed; real limits."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import arawn.errors
import arawn.interactions
from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import log_files, notes_of, whole_lines

ROOT = Path(arawn.interactions.__file__).parents[2]
CHILD = Path(__file__).with_name("child_writer.py")


def start_child(directory: Path, first: int, size: int, limit: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), str(directory), str(first), str(size), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})


def acknowledged(child: subprocess.Popen[bytes]) -> list[int]:
    """Return the lines that the child reported, once it has ended."""
    assert child.stdout is not None
    with child.stdout as output:
        reported = [int(line) for line in output.read().splitlines(keepends=True) if line.endswith(b"\n")]
    child.wait()
    return reported


def killed_after(lines: int, child: subprocess.Popen[bytes]) -> list[int]:
    """Kill the child a moment after it has reported `lines` lines; return all that it has reported."""
    assert child.stdout is not None
    first = [int(child.stdout.readline()) for _ in range(lines)]
    time.sleep(random.uniform(0, 0.03))
    child.kill()
    return first + acknowledged(child)


@pytest.mark.slow
def test_fifty_kills_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    """Every acknowledged line is there, once, whole, after `kill -9` at any moment; at most one torn tail a kill."""
    reported: list[int] = []
    for round_number in range(50):
        reported += killed_after(1, start_child(tmp_path, round_number * 1_000_000, random.choice([10, 60_000])))
    open_day_log(tmp_path, InteractionLogConfig()).close()

    found = notes_of(whole_lines(log_files(tmp_path)))

    assert set(reported) <= set(found)
    assert len(found) == len(set(found))
    assert len(found) - len(reported) <= 50  # at most the line being acknowledged at each kill


@pytest.mark.slow
def test_a_limit_on_file_size_loses_nothing(tmp_path: Path) -> None:
    """The log goes on in further parts, each within the limit."""
    reported = killed_after(30, start_child(tmp_path, 0, 10_000, limit=100_000))
    open_day_log(tmp_path, InteractionLogConfig()).close()

    files = log_files(tmp_path)

    assert set(reported) <= set(notes_of(whole_lines(files)))
    assert len(files) > 1
    assert all(len(data) <= 110_000 for data in files.values())


@pytest.mark.slow
def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    """The lock ends with the process, however it ends; while it lives it is named."""
    child = start_child(tmp_path, 0, 10)
    assert child.stdout is not None
    child.stdout.readline()
    try:
        with pytest.raises(arawn.errors.LogWriteFailed, match=f"process {child.pid} "):
            open_day_log(tmp_path, InteractionLogConfig())
    finally:
        child.kill()
        acknowledged(child)

    open_day_log(tmp_path, InteractionLogConfig()).close()
