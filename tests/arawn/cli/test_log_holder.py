"""What commands say of a log that another process has."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import open_day_log
from arawn.running_daemons import RunningDaemon, announced
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place

PID = os.getpid()


@pytest.fixture(autouse=True)
def held(place: Place) -> Iterator[None]:
    """This process has the log."""
    with closing(open_day_log(place.log, InteractionLogConfig())):
        yield


@contextmanager
def beside(place: Place, socket: str = "arawn.sock") -> Iterator[Callable[[], None]]:
    """This process is a daemon, by its file; what is yielded has it stop."""
    runtime = Path(place.environ["ARAWN_RUNTIME_DIR"])
    with announced(runtime, RunningDaemon(PID, str(runtime / socket), ())) as stop:
        yield stop


def test_a_start_beside_a_daemon_names_it(command: Command, place: Place) -> None:
    """It is no remedy to run `arawn start`."""
    with beside(place):
        result = command("start")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"arawn: a daemon runs already, process {PID}, and has the interaction log in `")
    assert "`arawn status` shows it, `arawn stop` ends it; a second one needs another " in result.err


def test_a_start_beside_a_daemon_of_another_configuration_says_so(command: Command, place: Place) -> None:
    """`arawn stop` alone would not find it."""
    with beside(place, "other.sock"):
        result = command("start")

    assert "`arawn stop` ends it, with the configuration that it was started with (`--config FILE`)" in result.err


def test_a_start_beside_a_daemon_that_stops_says_wait(command: Command, place: Place) -> None:
    """It has the log until it has ended."""
    with beside(place) as stop:
        stop()
        result = command("start")

    assert result.code == 1
    assert result.err.startswith(f"arawn: the daemon, process {PID}, is stopping, and has the interaction log in `")


@pytest.mark.parametrize("arguments", [["start"], ["status"], ["stop"]])
def test_a_daemon_that_has_lost_its_file_is_named(command: Command, place: Place, arguments: list[str]) -> None:
    """By the lock of its log, whichever command looks for it."""
    result = command(*arguments)

    assert (result.code, result.out) == (1, "")
    assert f"process {PID} (started 2" in result.err
    assert "its file in the runtime directory is gone or elsewhere: end it with `arawn stop` where" in result.err
    assert f", or with `kill {PID}`; if not, wait until it has ended" in result.err
    assert "`arawn start` runs one" not in result.err


def test_a_program_that_uses_the_library_is_no_fault_for_doctor(command: Command) -> None:
    """Its exit code is 0; a daemon that has lost its file looks the same, and the row says what to do then."""
    result = command("doctor", "--json")

    (row,) = [one for one in json.loads(result.out) if one["what"] == "daemon"]
    assert (result.code, row["ok"]) == (0, True), result.out
    assert "so it is while a program uses the library" in row["found"]
    assert "if it is a daemon that has lost its file, end it with `kill`" in row["found"]
