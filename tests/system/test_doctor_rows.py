"""What is the same beside a daemon and without one."""

from __future__ import annotations

import json

import pytest

from tests.arawn.cli.place import SCRIPTED, Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running

pytestmark = pytest.mark.slow  # real processes


def test_a_log_that_is_not_synced_is_said_to_be(place: Place) -> None:
    """By `start`, `status` and `doctor`, with and without a daemon; it is no fault."""
    place.configure(f'{SCRIPTED}\n[logging.interactions]\nsync = "off"\n')
    alone = place.run("doctor")
    with running(place) as daemon:
        status, beside = place.run("status"), place.run("doctor")

    words = '(not synced (`sync = "off"`): a power loss takes what the system has not written by itself)'
    assert [line.endswith(words) for line in daemon.said if line.startswith("log ")] == [True]
    assert f"  ok  {place.log}  {words}\n" in status.stdout
    assert [(one.returncode, one.stdout.count("not synced")) for one in (alone, beside)] == [(0, 1), (0, 1)]


def test_every_profile_has_a_row_in_doctor(place: Place) -> None:
    """Also one that has no server, whether or not a daemon runs."""
    place.configure(SCRIPTED)
    alone = place.run("doctor", "--json")
    with running(place):
        beside = place.run("doctor", "--json")

    rows = [[row["what"] for row in json.loads(done.stdout) if "profile" in row["what"]] for done in (alone, beside)]
    assert rows == [["profile default", "profile fast"]] * 2
