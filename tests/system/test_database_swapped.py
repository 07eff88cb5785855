"""Another file in the place of the open database, a look at it, the first one back: nothing that was said is lost."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.arawn.cli.place import SCRIPTED, Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running
from tests.system.test_faults import wait_until

pytestmark = pytest.mark.slow  # real processes


@pytest.mark.parametrize("noticed", [False, True])
def test_doctor_leaves_the_journal_of_the_daemon(place: Place, noticed: bool) -> None:
    """Whether or not the daemon has noticed by then; it goes on with its file, and a kill loses nothing."""
    place.configure(SCRIPTED)
    path = place.directory / "state" / "workstreams.db"
    moved = path.with_name("moved.db")
    with running(place) as daemon:
        assert daemon.chat("one", workstream="w1").is_success
        path.rename(moved)
        shutil.copy(moved, path)
        if noticed:
            wait_until(lambda: "another file was put in its place" in place.run("status").stdout)
        doctor = place.run("doctor")
        moved.replace(path)
        wait_until(lambda: daemon.chat("two", workstream="w1").is_success)
        daemon.end(signal.SIGKILL)

    assert ("another file was put in its place" in doctor.stdout) or not noticed
    assert turns(place) == ["one", "two"]


def test_a_stop_in_order_saves_what_a_deleted_journal_held(place: Place) -> None:
    """As status promises, which names the command."""
    place.configure(SCRIPTED)
    with running(place) as daemon:
        assert daemon.chat("one", workstream="w1").is_success
        for end in ("-wal", "-shm"):
            Path(f"{place.directory}/state/workstreams.db{end}").unlink()
        wait_until(lambda: "stop Arawn in order (`arawn stop`)" in place.run("status").stdout)
        stop = place.run("stop")

    assert stop.returncode == 0
    assert turns(place) == ["one"]


def turns(place: Place) -> list[str]:
    """Return what the user has said in the conversation, as it is on the disk."""
    shown = place.run("workstreams", "show", "w1").stdout
    return [word for word in ("one", "two") if word in shown]
