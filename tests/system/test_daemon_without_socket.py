"""A daemon without a socket: the command line reaches it over TCP, by its file and with the token."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running
from tests.system.test_slow_start import CONFIG as SLOW

pytestmark = pytest.mark.slow  # real processes

ALONE = SCRIPTED + 'socket = ""\n'


@pytest.mark.parametrize("auth", ["token", "none"])
def test_every_command_reaches_it_and_stop_ends_it(place: Place, auth: str) -> None:
    """As through the socket: with the token of its file, or without one where none is asked for."""
    place.configure(f'{ALONE}auth = "{auth}"\n')
    (place.directory / "state").mkdir()
    (place.directory / "state" / "token").write_text("of-the-test\n")
    (place.directory / "state" / "token").chmod(0o600)
    with running(place) as daemon:
        pid = daemon.child.pid
        asked = place.run("ask", "-q", "-w", "talk", "hi")
        feedback = place.run("interactions", "feedback", "latest", "good")
        listed = json.loads(place.run("workstreams", "list", "--json").stdout)
        health = {one["health"] for one in json.loads(place.run("backends", "list", "--json").stdout)}
        status = json.loads(place.run("status", "--json").stdout)
        doctor = place.run("doctor")
        reload = place.run("reload")
        stop = place.run("stop")
        assert (stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0), stop.stderr

    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "echo: hi\n", "")
    assert feedback.returncode == 0, feedback.stderr
    assert [one["name"] for one in listed] == ["talk"]
    assert health == {"ready"}
    assert status["pid"] == pid
    assert f"process {pid} answers" in doctor.stdout
    assert (reload.returncode, reload.stderr, reload.stdout[:9]) == (0, "", "unchanged")
    gone = place.run("status")
    none = "arawn: no daemon of this configuration is known; `arawn start` runs one\n"
    assert (gone.returncode, gone.stderr) == (1, none)


def test_a_token_that_it_does_not_take_is_explained_and_stop_needs_none(place: Place) -> None:
    """It goes on with the one of its start; so does a daemon whose configuration is broken since."""
    place.configure(ALONE)
    with running(place) as daemon:
        place.environ["ARAWN_TOKEN"] = "another"
        status = place.run("status")
        place.environ["ARAWN_TOKEN"] = "can be none"
        place.configure("this is = = no TOML\n")
        stop = place.run("stop")

        assert (status.returncode, stop.returncode, daemon.child.wait(PATIENCE)) == (1, 0, 0)
    assert status.stderr.startswith(f"arawn: the daemon on `{daemon.url}` refuses the token that this command has")


def test_it_is_found_while_its_default_profile_starts(place: Place) -> None:
    """As through a socket, which is there by then; `stop` ends it in order."""
    place.configure(f'{SLOW}socket = ""\n')
    child = place.popen("start")
    try:
        deadline = time.monotonic() + PATIENCE
        while not list(Path(place.environ["ARAWN_RUNTIME_DIR"]).glob("daemon-*.json")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        status = json.loads(place.run("status", "--json").stdout)
        stop = place.run("stop")
        code = child.wait(PATIENCE)
    finally:
        child.kill()
        child.communicate()

    assert [one["health"] for one in status["backends"]] == ["starting", "ready"]
    assert (stop.returncode, code) == (0, 0)
