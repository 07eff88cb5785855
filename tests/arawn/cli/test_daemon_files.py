"""`--config` beside a running daemon, which has files of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from arawn.cli.daemon_client import silence_of
from arawn.cli.door import Door
from arawn.running_daemons import RunningDaemon, announced, path_text
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place

REFUSED = "arawn: `--config` cannot apply: the daemon on"


@contextmanager
def beside(place: Place, *files: Path) -> Iterator[None]:
    """What a daemon leaves word of, without the daemon."""
    runtime = Path(place.environ["ARAWN_RUNTIME_DIR"])
    daemon = RunningDaemon(os.getpid(), str(runtime / "arawn.sock"), tuple(map(str, files)))
    with announced(runtime, daemon):
        yield


@pytest.fixture
def other(place: Place) -> Path:
    path = place.directory / "other.toml"
    path.write_text('[llm]\nbackend = "scripted"\nmodel = "new"\n[llm_profiles.only]\nbackend = "scripted"\n')
    return path


@pytest.fixture
def started(place: Place) -> Iterator[None]:
    """A daemon that was started with `config.toml` alone."""
    child = place.popen("start", "--config", "config/config.toml")
    assert child.stdout is not None
    assert any(line == "ready\n" for line in child.stdout)
    yield
    child.terminate()
    assert (child.wait(20), child.communicate()[1]) == (0, "")


def test_a_file_is_tried_beside_a_daemon_by_this_process(command: Command, place: Place, other: Path) -> None:
    """Its profiles are asked; there is no record, since the daemon has the log, and that is said."""
    with beside(place):
        result = command("backends", "test", "--json", "--config", str(other))

    assert result.code == 0
    assert [one["profile"] for one in json.loads(result.out)] == ["default", "only"]
    assert "these requests leave no record: the running daemon has the log" in result.err
    assert not place.log.exists()


def test_a_file_that_is_tried_without_a_daemon_has_its_records(command: Command, place: Place, other: Path) -> None:
    """As every other call."""
    assert "no record" not in command("backends", "test", "--config", str(other)).err
    assert list(place.log.glob("*.jsonl"))


@pytest.mark.slow
def test_a_daemon_answers_for_no_other_file(started: None, command: Command, other: Path) -> None:
    """What it has is neither listed nor changed as if it were in the file; with its own file it answers."""
    command("workstreams", "new", "x")

    refused = [
        command(*words, "--config", "other.toml")
        for words in (("backends", "list"), ("workstreams", "list"), ("workstreams", "rm", "-y", "x"))
    ]
    own = command("backends", "list", "--json", "--config", "config/config.toml")
    tried = command("backends", "test", "only", "--config", "other.toml")

    assert [(one.code, one.out, one.err[: len(REFUSED)]) for one in refused] == [(2, "", REFUSED)] * 3
    assert [one["health"] for one in json.loads(own.out)] == ["ready", "ready"]
    assert tried.code == 0
    assert [one["name"] for one in json.loads(command("workstreams", "list", "--json").out)] == ["x"]


@pytest.mark.slow
def test_a_file_that_the_daemon_has_not_read_is_named(started: None, command: Command, place: Place) -> None:
    """By `ask` and `chat`, but for `--quiet`; `config show` in the same place would show what the file says."""
    told = f"the daemon answers with its own configuration (`{place.directory / 'config' / 'config.toml'}`), not with"
    before = command("ask", "hi")
    project = place.directory / "arawn.toml"
    project.write_text('[llm]\nmodel = "mine"\n')

    assert told not in before.err
    for asked in (command("ask", "hi"), command("chat", piped="hi\n")):
        assert (asked.code, asked.out) == (0, "echo: hi\n")
        assert f"{told} `{project}`\n" in asked.err
    assert command("ask", "-q", "hi").err == ""


def test_a_silent_daemon_is_known_in_a_directory_whose_name_is_no_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in every other: what it left word of has the name escaped."""
    directory = tmp_path / os.fsdecode(b"odd\xff")
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("ARAWN_RUNTIME_DIR", str(tmp_path))
    socket = Path("arawn.sock")

    with announced(tmp_path, RunningDaemon(7, path_text(socket.absolute()), ())):
        silent = silence_of(Door(socket, "", ()))

    assert silent is not None
    assert silent.pid == 7
