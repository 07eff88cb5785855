"""A running daemon for tests: the real program in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.arawn.cli.place import PATIENCE, Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="arawn-") as runtime:  # a socket's path must be short
        yield Place(tmp_path, Path(runtime))


class Daemon:
    """A running daemon, and a client that knows its token."""

    def __init__(self, place: Place, child: subprocess.Popen[str]) -> None:
        self.child = child
        assert child.stdout is not None
        self.said = []
        for line in child.stdout:
            self.said.append(line.rstrip("\n"))
            if line == "ready\n":
                break
        assert self.said[-1:] == ["ready"], child.communicate()
        self.url = next(line.split()[1] for line in self.said if line.startswith("http "))
        self.token = (place.directory / "state" / "token").read_text().strip()

    def chat(self, message: str, **fields: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.post(f"{self.url}/chat", json={"message": message, **fields}, headers=headers, timeout=PATIENCE)

    def end(self, *signals: signal.Signals) -> tuple[int, str]:
        """Send the signals, return exit code and stderr."""
        for number in signals:
            self.child.send_signal(number)
            time.sleep(0.05)  # two signals of one kind that are pending together are one
        _, err = self.child.communicate(timeout=PATIENCE)
        return self.child.returncode, err


@contextmanager
def running(place: Place) -> Iterator[Daemon]:
    child = place.popen("start")
    try:
        yield Daemon(place, child)
    finally:
        child.kill()
        child.communicate()


def records(place: Place) -> list[dict[str, Any]]:
    """Return every interaction in the log, in which every line is whole."""
    lines = [line for file in sorted(place.log.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [value for value in map(json.loads, lines) if value["kind"] == "interaction"]
