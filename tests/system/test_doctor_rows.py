"""What is the same beside a daemon and without one."""

from __future__ import annotations

import json

import pytest

from tests.arawn.cli.place import SCRIPTED, Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running

pytestmark = pytest.mark.slow  # real processes


def test_every_profile_has_a_row_in_doctor(place: Place) -> None:
    """Also one that has no server, whether or not a daemon runs."""
    place.configure(SCRIPTED)
    alone = place.run("doctor", "--json")
    with running(place):
        beside = place.run("doctor", "--json")

    rows = [[row["what"] for row in json.loads(done.stdout) if "profile" in row["what"]] for done in (alone, beside)]
    assert rows == [["profile default", "profile fast"]] * 2
