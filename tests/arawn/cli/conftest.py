"""What the tests of the command line share."""

from __future__ import annotations

import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from arawn.cli.running import run
from tests.arawn.cli.place import ROUTED, Place
from tests.arawn.interactions.mending_logs import written_log
from tests.system.unprivileged import Unprivileged


class Result(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A configured place; `command` and children alike live in it."""
    with tempfile.TemporaryDirectory(prefix="arawn-") as runtime:  # a socket's path must be short
        place = Place(tmp_path, Path(runtime))
        place.configure()
        yield place


@pytest.fixture
def command(place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run a command in this process: quick, and as the real one from the arguments on."""
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.directory)
    handlers = list(logging.getLogger().handlers)

    def act(*arguments: str, piped: str | bytes = "") -> Result:
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(piped if isinstance(piped, bytes) else piped.encode()))
        )
        code = run(arguments)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    yield act
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def asked(command: Command) -> list[str]:
    """Three calls in the log; their ids."""
    command("ask", "where is the heron?")
    command("ask", "-w", "research", "-p", "fast", "--tag", "team=search", "two herons")
    command("ask", "-w", "research", "-s", "be brief", "a Kestrel")
    return [head["id"] for head in json.loads(command("interactions", "list", "--json").out)]


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[Unprivileged]:
    """A place with a log of two days, whose commands are bound by the modes of files."""
    with tempfile.TemporaryDirectory(prefix="arawn-") as runtime:
        place = Unprivileged(tmp_path, Path(runtime))
        place.configure()
        written_log(place.log)
        yield place


@pytest.fixture
def routed(place: Place, command: Command) -> Command:
    place.configure(ROUTED)
    return command
