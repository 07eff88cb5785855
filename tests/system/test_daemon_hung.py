"""A daemon that takes connections and says nothing: it is named, asked to end, and never killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.arawn.cli.place import PATIENCE, SCRIPTED, Place
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes, and limits of several seconds


@contextmanager
def suspended(place: Place) -> Iterator[Daemon]:
    place.configure(SCRIPTED)
    with running(place) as daemon:
        daemon.child.send_signal(signal.SIGSTOP)
        yield daemon


def test_a_stop_asks_it_to_end_and_says_that_it_has_not(place: Place) -> None:
    """SIGTERM waits for it: told to go on, it ends in order."""
    with suspended(place) as daemon:
        stop = place.run("stop")
        waited = daemon.child.poll()
        daemon.child.send_signal(signal.SIGCONT)
        code = daemon.child.wait(PATIENCE)

    pid = daemon.child.pid
    assert (stop.returncode, waited, code) == (1, None, 0)
    assert stop.stderr.startswith(f"arawn: the daemon, process {pid}, does not answer, was asked to end (SIGTERM)")
    assert "has not ended within 10 s" in stop.stderr
    assert f"`kill -CONT {pid}`" in stop.stderr
    assert f"`kill -KILL {pid}`" in stop.stderr


def test_a_stop_ends_well_if_it_goes_on_in_time(place: Place) -> None:
    """Then it is as with any other daemon."""
    with suspended(place) as daemon:
        stop = place.popen("stop")
        time.sleep(7.0)  # it has given up to be answered, and has asked
        daemon.child.send_signal(signal.SIGCONT)
        _, said = stop.communicate(timeout=PATIENCE)

        assert (stop.returncode, daemon.child.wait(PATIENCE)) == (0, 0)
        assert said == f"process {daemon.child.pid} has ended\n"
