"""Real processes, killed; real limits."""

from __future__ import annotations

import json
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
LOOP = Path(__file__).with_name("kill_loop.py")
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}


def start_child(directory: Path, first: int, size: int, limit: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), str(directory), str(first), str(size), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRON)


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
def test_three_hundred_kills_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    """Every acknowledged line is there, once, whole, after `kill -9` at any moment; numbers are dense.

    `TEST_KILL_ROUNDS=10000` runs the long form.
    """
    rounds, seed = int(os.environ.get("TEST_KILL_ROUNDS", "300")), random.randrange(2**32)
    command = [sys.executable, str(LOOP), str(tmp_path), str(rounds), str(seed)]

    loop = subprocess.run(command, capture_output=True, text=True, env=ENVIRON, check=False)

    assert loop.returncode == 0, f"{seed=}\n{loop.stderr[-2_000:]}"
    seen = json.loads(loop.stdout)
    assert seen["rounds"] == rounds
    assert seen["acknowledged"] > rounds
    assert 0 < seen["torn"] <= rounds  # the kills do hit writes in the middle


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
