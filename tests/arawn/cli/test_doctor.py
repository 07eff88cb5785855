"""`arawn doctor`: each thing that can be wrong has a row that says what to do, and exit code 1."""

from __future__ import annotations

import json
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arawn.cli import checkup
from arawn.cli.checkup import Finding, look_around
from arawn.cli.doctor import one_row_a_thing
from arawn.cli.process_files import open_files
from arawn.cli.reach import health_of
from arawn.config.paths import database_path
from arawn.status import BackendStatus
from arawn.workstreams.store import WorkstreamStore
from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider
from tests.runtimes import configured
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running

SERVED = """
[llm]
backend = "custom"
dialect = "openai"
model = "m"
base_url = "{url}"

[server]
listen = "{listen}"
"""
NOW = datetime(2026, 11, 22, tzinfo=UTC)
EVERYTHING = {"configuration", "files", "log", "open files", "daemon", "address", "profile default"}


def examined(place: Place) -> tuple[int, list[tuple[str, bool, str]]]:
    done = place.run("doctor", "--json")
    assert done.stderr == ""
    return done.returncode, [(one["what"], one["ok"], one["found"]) for one in json.loads(done.stdout)]


def wrong(place: Place) -> list[tuple[str, str]]:
    """Return what is wrong; something is."""
    code, rows = examined(place)
    assert code == 1
    return [(what, found) for what, ok, found in rows if not ok]


@pytest.mark.slow
def test_all_is_well_with_and_without_a_daemon(place: Place) -> None:
    """Exit code 0, a row for everything that was looked at; the table says the same."""
    with FakeProvider() as fake:
        place.configure(SERVED.format(url=fake.address, listen="127.0.0.1:0"))
        alone, rows = examined(place)
        with running(place) as daemon:
            beside, more = examined(place)
            table = place.run("doctor")

    assert (alone, beside, table.returncode) == (0, 0, 0)
    assert {what for what, _, _ in rows} >= EVERYTHING
    assert [len({what for what, _, _ in found}) for found in (rows, more)] == [len(rows), len(more)]
    assert ("daemon", True, f"process {daemon.child.pid} answers") in more
    assert "profile default" in table.stdout
    assert fake.received == []


@pytest.mark.slow
def test_a_wrong_configuration_is_all_there_is(place: Place) -> None:
    """Every problem is a row."""
    place.configure('[llm]\nbackend = "grog"\ntop_p = 7\n')

    found = wrong(place)

    assert {what for what, _ in found} == {"configuration"}
    assert any("grog" in text for _, text in found)


@pytest.mark.slow
def test_a_database_of_a_newer_version_is_one_row(place: Place) -> None:
    """What is wrong with it; not beside it that its disk has room."""
    place.configure('[llm]\nbackend = "scripted"\n[server]\nlisten = "127.0.0.1:0"\n')
    database = place.directory / "state" / "workstreams.db"
    WorkstreamStore(database).close()
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA user_version = 99")

    _, rows = examined(place)

    ((ok, found),) = [(ok, found) for what, ok, found in rows if what == "workstreams"]
    assert (ok, "was written by a newer Arawn" in found, "MiB" in found) == (False, True, False)


@pytest.mark.slow
def test_a_missing_key_and_a_taken_address_are_named(place: Place) -> None:
    """What to set, and what to end."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        place.configure(
            f'[llm]\nbackend = "groq"\nmodel = "m"\nbase_url = "http://{listen}"\n[server]\nlisten = "{listen}"\n'
        )
        found = dict(wrong(place))

    assert "GROQ_API_KEY" in found["profile default"]
    assert f"cannot listen on `{listen}`" in found["address"]


@pytest.mark.slow
def test_the_key_of_a_running_daemon_is_its_own(place: Place) -> None:
    """It may have another environment than the shell has in which doctor runs; without it the key is missing."""
    with FakeProvider() as fake:
        key = f'[llm]\nbackend = "groq"\nmodel = "m"\nbase_url = "{fake.address}"\n'
        place.configure(key + '[server]\nlisten = "127.0.0.1:0"\n')
        place.environ["GROQ_API_KEY"] = "a-key-of-the-daemon"
        with running(place):
            del place.environ["GROQ_API_KEY"]
            beside, rows = examined(place)
        alone = dict(wrong(place))

    assert (beside, [found for what, _, found in rows if what == "profile default"]) == (
        0,
        [f"ready; {fake.address} can be reached"],
    )
    assert "GROQ_API_KEY" in alone["profile default"]


@pytest.mark.slow
def test_a_provider_that_is_not_there_is_named(place: Place) -> None:
    """In the words in which a call would fail."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    place.configure(SERVED.format(url=address, listen="127.0.0.1:0"))

    assert "connection refused, nothing listens there" in dict(wrong(place))["profile default"]


@pytest.mark.slow
def test_a_daemon_without_its_socket_file_is_found(place: Place) -> None:
    """It still runs, and nobody can reach it: end it and start it again."""
    place.configure('[llm]\nbackend = "scripted"\n[server]\nlisten = "127.0.0.1:0"\n')
    with running(place):
        (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()

        found = dict(wrong(place))

    assert "the file is gone" in found["daemon"]
    assert "`arawn stop` ends the daemon" in found["daemon"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with ExitStack() as stack:
        connection = sqlite3.connect(path)
        stack.callback(connection.close)
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    path.write_bytes(b"no database at all, " * 500)
    yield


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    path.unlink()
    path.mkdir()
    yield


@pytest.mark.parametrize(
    ("harm", "words"),
    [(locked, "locked by another program"), (damaged, "is damaged"), (unreadable, "is a directory")],
)
def test_a_database_that_cannot_be_used_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], Iterator[None]], words: str
) -> None:
    """Locked, damaged, or none at all: each its own words."""
    monkeypatch.setattr(checkup, "_BUSY_S", 0.1)
    config = configured(tmp_path)
    path = database_path(config, {})
    path.parent.mkdir()
    sqlite3.connect(path).close()

    with harm(path):  # type: ignore[attr-defined]  # a context manager
        found = [one.found for one in look_around(config, {"HOME": str(tmp_path)}, NOW) if not one.ok]

    assert any(words in text for text in found)


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before calls begin to wait."""
    monkeypatch.setattr(checkup, "_ROOM_BYTES", 1 << 60)

    found = [one for one in look_around(configured(tmp_path), {"HOME": str(tmp_path)}, NOW) if not one.ok]

    assert [one.what for one in found] == ["log", "workstreams"]
    assert all("make room" in one.found for one in found)


def test_too_few_open_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit that would do."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))

    (found,) = open_files(configured(tmp_path), None)

    assert not found.ok
    assert "16 calls at once need 96, this process allows 64" in found.found


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="Linux alone tells the limits of a process")
def test_it_is_the_daemons_limit_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon may have been started with another limit than the shell has in which doctor runs."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    with subprocess.Popen(["/bin/sh", "-c", "ulimit -n 64; echo; read x"], stdin=-1, stdout=-1) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        (tight,) = open_files(configured(tmp_path), daemon.pid)
        daemon.communicate()
    (gone,) = open_files(configured(tmp_path), daemon.pid)

    assert not tight.ok
    assert f"need 96, the daemon, process {daemon.pid}, allows 64" in tight.found
    assert tight.found.endswith("and start it again")
    assert gone.ok
    assert "cannot be seen" in gone.found


@pytest.mark.parametrize(
    ("findings", "row"),
    [
        ([("p", True, "ready"), ("p", True, "reachable")], ("p", True, "ready; reachable")),
        ([("p", True, "ready; limits the rate"), ("p", False, "its last call")], ("p", False, "its last call")),
        ([("p", False, "degraded: refused; ask"), ("p", False, "refused")], ("p", False, "degraded: refused; ask")),
        ([("p", False, "refused"), ("p", False, "its last call: refused")], ("p", False, "its last call: refused")),
        ([("p", False, "a"), ("p", False, "b"), ("p", False, "a")], ("p", False, "a; b")),
    ],
)
def test_a_profile_has_one_row(findings: list[tuple[str, bool, str]], row: tuple[str, bool, str]) -> None:
    """What is wrong, each fault once; if nothing is, all that was found."""
    found = [Finding(f"profile {what}", ok, text) for what, ok, text in findings]

    assert list(one_row_a_thing([Finding("log", True, "ok"), *found, Finding("profile q", True, "x")])) == [
        Finding("log", True, "ok"),
        Finding(f"profile {row[0]}", *row[1:]),
        Finding("profile q", True, "x"),
    ]


@pytest.mark.parametrize(
    ("health", "reason", "words"),
    [
        ("ready", "it limits the rate", "ready; it limits the rate"),
        ("degraded", "it failed", "degraded for 37 s: it failed; then `arawn backends test p` asks it again"),
        ("starting", "a model is read", "starting for 37 s: a model is read"),
    ],
)
def test_a_profile_that_is_ready_is_not_so_because_of_a_fault(health: str, reason: str, words: str) -> None:
    """Only what is not well has a time and a reason for it."""
    backend = BackendStatus(
        profile="p",
        kind="custom",
        model="m",
        health=health,
        reason=reason,
        since=NOW - timedelta(seconds=37),
        actor="running",
        queued=0,
        in_hand=0,
        restarts=0,
        last_crash=None,
    )

    assert health_of(backend, NOW, None).found == words


@pytest.mark.slow
def test_tools_that_cannot_be_used_are_found(place: Place) -> None:
    """A missing program, without starting any."""
    place.configure('[llm]\nbackend = "scripted"\n[tools.x]\ncommand = ["no-such-program"]\n')

    said = "tools.x.command: there is no program `no-such-program` in `PATH`; install it, or give its path"
    assert ("tools", said) in wrong(place)
