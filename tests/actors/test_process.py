"""G12, G11 with real processes and real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Launch(Protocol):
    def __call__(self, grace: float, cleanup: float = 0) -> subprocess.Popen[str]: ...


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Start the daemon and wait until it is ready; it is killed at the end if it still runs."""
    processes = []

    def start(grace: float, cleanup: float = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.actors.daemon", str(grace), str(cleanup)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


SLEEPER_THEN_OWNER = ["sleeper cleans up", "sleeper cleaned up", "owner cleaned up"]


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == last:
            return lines
    raise AssertionError(f"the daemon ended without saying {last!r}: {lines}")


def child_of(lines: list[str]) -> int:
    (pid,) = [int(line.removeprefix("child ")) for line in lines if line.startswith("child ")]
    return pid


def wait_until_gone(pid: int) -> None:
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is an orphan")


def test_g12_sigterm_ends_the_tree_in_order_and_leaves_no_process(launch: Launch) -> None:
    """The grace passes, each actor cleans up, right to left, and the exit status is 0."""
    process = launch(0.5)
    pid = child_of(lines_until(process, "ready"))

    process.send_signal(signal.SIGTERM)

    ended = lines_until(process, "tree ended")
    assert ended == [
        "stopping within 0.5 s",
        "sleeper cleans up",
        "sleeper cleaned up",
        "owner cleaned up",
        "tree ended",
    ]
    assert process.wait(10) == 0
    wait_until_gone(pid)


def test_g11_a_second_sigterm_ends_the_grace(launch: Launch) -> None:
    """Nobody waits an hour for a handler that nobody wants any more."""
    process = launch(3600)
    lines_until(process, "ready")

    process.send_signal(signal.SIGTERM)
    lines_until(process, "stopping within 3600 s")
    process.send_signal(signal.SIGTERM)

    assert lines_until(process, "tree ended")[-2:] == ["owner cleaned up", "tree ended"]
    assert process.wait(10) == 0


def test_g12_ctrl_c_ends_the_tree_and_is_told(launch: Launch) -> None:
    """The clean-ups run, and the interrupt reaches whoever started the process."""
    process = launch(1)
    pid = child_of(lines_until(process, "ready"))

    process.send_signal(signal.SIGINT)

    assert lines_until(process, "owner cleaned up") == SLEEPER_THEN_OWNER
    assert process.wait(10) != 0
    wait_until_gone(pid)


def test_g12_a_second_ctrl_c_waits_for_the_clean_up(launch: Launch) -> None:
    """The block is not left while the tree lives: the clean-up has its deadline, and then the interrupt is told."""
    process = launch(1, cleanup=1)
    lines_until(process, "ready")

    process.send_signal(signal.SIGINT)
    lines_until(process, "sleeper cleans up")
    time.sleep(0.2)  # so that it waits; an interrupt may also hit the clean-up's own code, which then fails
    process.send_signal(signal.SIGINT)

    assert lines_until(process, "tree ended") == ["sleeper cleaned up", "owner cleaned up", "tree ended"]
    assert process.wait(10) != 0


def test_g12_a_killed_parent_leaves_no_process(launch: Launch) -> None:
    """Nothing can clean up after SIGKILL; a child that lives on its parent's pipe ends all the same."""
    process = launch(1)
    pid = child_of(lines_until(process, "ready"))

    process.kill()

    wait_until_gone(pid)
