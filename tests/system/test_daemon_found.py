"""The running daemon as commands find it when it does not answer, or when the configuration cannot be read."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.fake_provider import FakeProvider, Fault, stream_reply
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.test_daemon import CONFIG, in_flight

pytestmark = pytest.mark.slow  # real processes

SILENT = stream_reply([Fault.STALL])
BROKEN = "this is = = no TOML\n"


@contextmanager
def stopping(place: Place) -> Iterator[tuple[Daemon, FakeProvider]]:
    """Yield a daemon that has been asked to end and has a call, whose provider says nothing."""
    with FakeProvider(SILENT) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=600))
        with running(place) as daemon, in_flight(daemon, provider):
            daemon.child.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while "is stopping" not in place.run("status").stderr:
                assert time.monotonic() < deadline
            yield daemon, provider
            daemon.child.kill()


def test_a_daemon_in_its_grace_is_said_to_be_stopping(place: Place) -> None:
    """By `status`, with its process; it is neither running nor gone."""
    with stopping(place) as (daemon, _):
        status = place.run("status")

    assert (status.returncode, status.stdout) == (1, "")
    assert status.stderr.startswith(f"arawn: the daemon, process {daemon.child.pid}, is stopping")


def test_doctor_looks_at_the_daemon_though_the_configuration_cannot_be_used(place: Place) -> None:
    """How it is, beside what is wrong with the file; and that the file is gone with which it was started."""
    place.configure(SCRIPTED)
    config = place.directory / "config" / "config.toml"
    with running(place) as daemon:
        config.write_text(BROKEN)
        broken = json.loads(place.run("doctor", "--json").stdout)
        config.unlink()
        gone = json.loads(place.run("doctor", "--json").stdout)

    wrong = [one for one in broken if not one["ok"]]
    assert [one["what"] for one in wrong] == ["configuration"]
    assert [one["what"] for one in broken[1:]] == ["daemon", "log", "profile default", "profile fast"]
    assert broken[1]["found"] == f"process {daemon.child.pid} answers"
    files = [one["found"] for one in gone if one["what"] == "configuration"]
    assert any(f"{config}: the file is gone, and the daemon was started with it; put it back" in text for text in files)


def waits_for_a_process(pid: int) -> bool:
    """Say whether a process has a descriptor of another process, as `arawn stop` has while it waits."""
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(FileNotFoundError):
            if "pidfd" in str(descriptor.readlink()):
                return True
    return False


def test_a_second_stop_waits_and_takes_no_grace_away(place: Place) -> None:
    """It ends when the daemon does, with code 0."""
    with stopping(place) as (daemon, provider):
        second = place.popen("stop")
        deadline = time.monotonic() + PATIENCE
        while not waits_for_a_process(second.pid) and second.poll() is None:
            assert time.monotonic() < deadline
        waited = second.poll() is None and daemon.child.poll() is None
        provider.__exit__()
        _, said = second.communicate(timeout=PATIENCE)

        assert waited
        assert (second.returncode, said) == (0, f"process {daemon.child.pid} has ended\n")


def test_a_daemon_whose_socket_was_removed_can_be_stopped(place: Place) -> None:
    """`status` says that the file is gone, not that the daemon stops."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()
        status, stop = place.run("status"), place.run("stop")

        assert status.returncode == 1
        assert f"the daemon, process {daemon.child.pid}, is there" in status.stderr
        assert (stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0)


def dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@pytest.mark.parametrize("put", [Path.touch, dead_socket])
def test_a_daemon_whose_socket_was_replaced_is_named_and_can_be_stopped(
    place: Place, put: Callable[[Path], None]
) -> None:
    """A file that nobody listens on is no sign that the daemon stops."""
    place.configure(SCRIPTED)
    path = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
    with running(place) as daemon:
        path.unlink()
        put(path)
        status, stop = place.run("status"), place.run("stop")

        assert (status.returncode, stop.returncode, daemon.child.wait(PATIENCE)) == (1, 0, 0)
        assert status.stderr == (
            f"arawn: the daemon, process {daemon.child.pid}, is there, but no daemon answers on `{path}`: another file "
            "stands in its place; `arawn stop` ends the daemon, and `arawn start` runs a new one\n"
        )


def test_a_stop_without_a_socket_waits_for_the_grace(place: Place) -> None:
    """However long that is: the daemon has said that it stops."""
    with FakeProvider(SILENT) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=11))
        with running(place) as daemon, in_flight(daemon, provider):
            (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()
            stop = place.run("stop")
            code = daemon.child.wait(PATIENCE)

    assert (stop.returncode, code) == (0, 0)
    assert stop.stderr == f"process {daemon.child.pid} has ended\n"


@pytest.mark.parametrize("command", [("ask", "hi"), ("ask", "--workstream", "w", "hi"), ("chat",)])
def test_who_asks_is_told_that_the_socket_is_gone(place: Place, command: tuple[str, ...]) -> None:
    """Which process runs, and what to do; not that somebody else has the log."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()
        asked, unlogged = place.run(*command, piped="hi\n"), place.run("ask", "--no-log", "hi")

    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.startswith(f"arawn: the daemon, process {daemon.child.pid}, is there, but no daemon answers on")
    assert asked.stderr.endswith("the file is gone; `arawn stop` ends the daemon, and `arawn start` runs a new one\n")
    assert unlogged.returncode == 0


def test_a_watch_goes_on_until_the_process_has_ended(place: Place) -> None:
    """It says first that the daemon stops, and that it has ended when it has."""
    with FakeProvider(SILENT) as provider:
        place.configure(CONFIG.format(url=provider.address, grace=2.5))
        with running(place) as daemon, in_flight(daemon, provider):
            child = place.popen("status", "--watch", "--every", "0.1")
            assert child.stdout is not None
            child.stdout.readline()
            daemon.child.send_signal(signal.SIGTERM)
            _, said = child.communicate(timeout=PATIENCE)
            code = daemon.child.wait(PATIENCE)

    first, last = said.splitlines()
    assert (child.returncode, code) == (1, 0)
    assert first.startswith(f"arawn: the daemon, process {daemon.child.pid}, is stopping")
    assert last == f"arawn: the daemon, process {daemon.child.pid}, has ended"


def test_a_broken_configuration_hides_no_running_daemon(place: Place) -> None:
    """`status` and `stop` name what is wrong, and do what they are asked to."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        place.configure(BROKEN)
        status, stop = place.run("status"), place.run("stop")

        assert (status.returncode, f"process {daemon.child.pid}," in status.stdout) == (0, True)
        assert "config.toml:1" in status.stderr
        assert (stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0)


def test_a_broken_configuration_of_another_daemon_is_no_name_for_this_one(place: Place) -> None:
    """With `--config` only a daemon that was started with this file is meant; without any daemon, none is."""
    place.configure(SCRIPTED)
    other = place.directory / "other.toml"
    other.write_text(BROKEN)
    with running(place) as daemon:
        refused = place.run("stop", "--config", str(other))
        assert daemon.child.poll() is None
        daemon.end(signal.SIGKILL)
    place.configure(BROKEN)
    alone = place.run("status")

    assert (refused.returncode, "other.toml" in refused.stderr) == (2, True)
    assert (alone.returncode, alone.stdout) == (2, "")


def test_a_daemon_leaves_no_file_behind(place: Place) -> None:
    """One that was killed leaves its own until somebody looks."""
    runtime = Path(place.environ["ARAWN_RUNTIME_DIR"])
    place.configure(SCRIPTED)
    with running(place) as daemon:
        assert [path.stat().st_mode & 0o777 for path in runtime.glob("daemon-*")] == [0o600]
        assert daemon.end(signal.SIGTERM) == (0, "")
    after_stop = list(runtime.glob("daemon-*"))
    with running(place) as daemon:
        daemon.end(signal.SIGKILL)
    after_kill = list(runtime.glob("daemon-*"))
    place.run("status")

    assert (after_stop, len(after_kill)) == ([], 1)
    assert list(runtime.glob("daemon-*")) == []
