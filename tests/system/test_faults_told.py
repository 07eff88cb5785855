"""Every fault that a user can have, provoked, and the words that `arawn status` and `arawn doctor` have for it.

The words are those of the tables in docs/operations.md.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.arawn.cli.place import Place
from tests.fake_provider import FakeProvider
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running
from tests.system.running_faults import CONFIG, RUNNING, Provoked, configure, ending, runtime_gone
from tests.system.test_faults import log_health, wait_until
from tests.system.told_words import missing, told
from tests.system.unprivileged import Unprivileged, read_only

pytestmark = pytest.mark.slow  # real processes

HARMLESS = {
    "a reload has replaced a busy profile",
    "a second daemon",
    "the daemon was killed",
    # doctor cannot tell either from a program that uses the library
    "the log is another process's, such as a daemon that has lost its file",
    "the runtime directory is deleted",
}


@pytest.fixture
def bound(place: Place) -> Place:
    """A place whose commands are bound by the modes of files, with a configuration."""
    found = Unprivileged(place.directory, Path(place.environ["ARAWN_RUNTIME_DIR"]))
    configure(found)
    return found


@pytest.mark.parametrize("fault", RUNNING)
def test_status_and_doctor_have_words_for_it(bound: Place, fault: str) -> None:
    """What is wrong and what to do, as the page quotes it."""
    by_status, by_doctor = told("What a running daemon says")[fault]
    with RUNNING[fault](bound):
        status, doctor = bound.run("status"), bound.run("doctor")

    assert by_status
    assert by_doctor
    assert missing(by_status, status.stdout + status.stderr) == []
    assert missing(by_doctor, doctor.stdout + doctor.stderr) == []
    assert doctor.returncode == (0 if fault in HARMLESS else 1)
    assert "Traceback" not in status.stderr + doctor.stderr


@contextmanager
def damaged(place: Place) -> Iterator[None]:
    path = place.directory / "state" / "workstreams.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1_000)
    yield


@contextmanager
def second(place: Place) -> Iterator[None]:
    with running(place):
        yield


@contextmanager
def address_taken(place: Place) -> Iterator[None]:
    with FakeProvider() as other:
        configure(place, listen=other.address.removeprefix("http://"))
        yield


@contextmanager
def no_key(place: Place) -> Iterator[None]:
    place.configure('[llm]\nbackend = "groq"\nmodel = "m"\nbase_url = "http://127.0.0.1:9"\n')
    yield


@contextmanager
def misspelt(place: Place) -> Iterator[None]:
    place.configure('[llm]\nbackend = "grog"\nmodel = "m"\n')
    yield


@contextmanager
def orphaned(place: Place) -> Iterator[None]:
    path = place.directory / "state" / "workstreams.db"
    path.parent.mkdir()
    path.with_name("workstreams.db-wal").write_bytes(b"turns")
    yield


@contextmanager
def far_away(place: Place) -> Iterator[None]:
    long = place.directory / ("x" * 120)
    place.configure(CONFIG.format(listen="127.0.0.1:0").replace("[server]", f'[server]\nsocket = "{long}"'))
    yield


@contextmanager
def nowhere(place: Place) -> Iterator[None]:
    configure(place, listen="nohost.invalid:1")
    yield


@contextmanager
def open_token(place: Place) -> Iterator[None]:
    path = place.directory / "state" / "token"
    path.parent.mkdir()
    path.write_text("t0ken")
    path.chmod(0o644)
    yield


@contextmanager
def empty_token(place: Place) -> Iterator[None]:
    place.environ["ARAWN_TOKEN"] = ""
    yield


@contextmanager
def linked_log(place: Place) -> Iterator[None]:
    elsewhere = place.directory / "elsewhere"
    elsewhere.mkdir()
    place.log.symlink_to(elsewhere)
    yield


@contextmanager
def linked_day(place: Place) -> Iterator[None]:
    place.log.mkdir()
    (place.log / "interactions-2099-01-01.jsonl").symlink_to(place.directory / "elsewhere")
    yield


@contextmanager
def open_project(place: Place) -> Iterator[None]:
    path = place.directory / "arawn.toml"
    path.write_text("")
    path.chmod(0o666)
    yield


STARTING: dict[str, Provoked] = {
    "the log's directory is read-only": lambda place: read_only(place.log),
    "the log's directory is closed to this user": lambda place: read_only(place.log, 0),
    "the log's directory is a symbolic link": linked_log,
    "a day's file of the log is a symbolic link": linked_day,
    "the state directory is read-only": lambda place: read_only(place.directory / "state"),
    "the socket's directory is read-only": lambda place: read_only(Path(place.environ["ARAWN_RUNTIME_DIR"])),
    "the database is damaged": damaged,
    "the database is gone, and not what was written last": orphaned,
    "the socket's path is too long": far_away,
    "a second daemon": second,
    "the first one is still stopping": ending,
    "the log is another process's, such as a daemon that has lost its file": runtime_gone,
    "the address is taken": address_taken,
    "the name to listen on has no address": nowhere,
    "others may read the token file": open_token,
    "the token is empty": empty_token,
    "no key for the default profile": no_key,
    "the configuration is wrong": misspelt,
    "every user may write to the project's file": open_project,
}
WRONG_USE = {
    "the state directory is read-only",
    "others may read the token file",
    "the token is empty",
    "the configuration is wrong",
    "every user may write to the project's file",
}


@pytest.mark.parametrize("fault", STARTING)
def test_a_start_that_cannot_be_is_one_message(bound: Place, fault: str) -> None:
    """With what to do, and nothing else; doctor finds the same."""
    by_start, by_doctor = told("What keeps it from starting")[fault]
    with STARTING[fault](bound):
        start, doctor = bound.run("start"), bound.run("doctor")

    assert by_start
    assert (start.returncode, start.stdout) == (2 if fault in WRONG_USE else 1, "")
    assert missing(by_start, start.stderr) == []
    assert start.stderr.startswith("arawn: ")
    assert start.stderr.count("\n") == 1
    assert missing(by_doctor, doctor.stdout) == []
    assert doctor.returncode == (0 if fault in HARMLESS else 1)


def test_a_directory_that_is_read_only_for_a_while_costs_no_record(bound: Place) -> None:
    """Calls are answered meanwhile, as with a full disk; the records are written when it can be written to again."""
    with running(bound) as daemon:
        time.sleep(0.5)  # the first file is synced
        for file in bound.log.glob("*.jsonl"):
            file.unlink()
        with read_only(bound.log):
            answered = [daemon.chat(f"{number}") for number in range(3)]
            wait_until(lambda: log_health(bound)["state"] == "degraded")
        wait_until(lambda: daemon.chat("and on").is_success and log_health(bound)["state"] == "ok")
        code, said = daemon.end(signal.SIGTERM)

    assert [answer.status_code for answer in answered] == [200] * 3
    found = bound.run("interactions", "list", "--json", "--limit", "100").stdout
    assert [answer.json()["interaction_id"] in found for answer in answered] == [True] * 3
    assert (code, "Traceback" in said) == (0, False)


def test_a_state_directory_that_becomes_read_only_harms_nothing(bound: Place) -> None:
    """What is open there stays so: conversations go on, and the daemon ends in order."""
    with running(bound) as daemon:
        daemon.chat("one", workstream="research")
        with read_only(bound.directory / "state"):
            answered = daemon.chat("two", workstream="research")
            assert daemon.end(signal.SIGTERM) == (0, "")

    assert answered.status_code == 200


def test_a_socket_directory_that_becomes_read_only_is_told_at_the_stop(bound: Place) -> None:
    """The daemon ends in order and names the file that it cannot remove; the next one puts its own in its place."""
    with running(bound) as daemon:
        with read_only(Path(bound.environ["ARAWN_RUNTIME_DIR"])):
            code, said = daemon.end(signal.SIGTERM)
        assert (code, "arawn.sock` cannot be removed: Permission denied" in said) == (0, True), said
        assert "Traceback" not in said
    with running(bound) as daemon:
        assert daemon.end(signal.SIGTERM) == (0, "")


def test_every_row_is_provoked() -> None:
    """The tables have no row that no test holds, and no test a fault that is not in them."""
    assert set(told("What a running daemon says")) == set(RUNNING)
    assert set(told("What keeps it from starting")) == set(STARTING)
