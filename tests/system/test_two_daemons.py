"""Two daemons on one database."""

from __future__ import annotations

import pytest

from tests.arawn.cli.place import Place
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.daemons import running

CONFIG = """
[llm]
backend = "scripted"

[server]
listen = "127.0.0.1:0"
"""


@pytest.mark.slow
def test_a_second_daemon_with_a_log_of_its_own_fails_at_once(place: Place) -> None:
    """It says which process has the database; what is answered by the first is kept."""
    place.configure(CONFIG)
    with running(place) as daemon:
        socket = f"{place.environ['ARAWN_RUNTIME_DIR']}/b.sock"
        log = f"{place.directory}/b"
        place.configure(f'{CONFIG}socket = "{socket}"\n\n[logging.interactions]\npath = "{log}"\n')
        second = place.run("start")
        assert daemon.chat("hi", workstream="x").status_code == 200

    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("arawn: cannot use the workstream database ")
    assert f": process {daemon.child.pid} (since 20" in second.stderr
