"""What `arawn stop` says of a daemon that could not write all that it had."""

from __future__ import annotations

import re
import resource
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from tests.arawn.cli.place import PATIENCE, Place
from tests.system.daemons import Daemon, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture
from tests.system.test_faults import limited

pytestmark = pytest.mark.slow  # real processes, and ten seconds of trying to write

CONFIG = """
[llm]
backend = "scripted"

[server]
listen = "127.0.0.1:0"

[logging.interactions]
answer_wait_ms = 100
"""
LOST = r"\d+ records? (?:is|are) not in the interaction log: .*free space or check the disk.*"
Fault = Callable[[Place, Daemon], AbstractContextManager[None]]


def disk_without_new_blocks(_: Place, daemon: Daemon) -> AbstractContextManager[None]:
    """Files keep the blocks that they have, as on a full disk; the log's has no room in its own."""
    return limited(daemon, resource.RLIMIT_FSIZE, 2000)


def disk_that_takes_nothing(_: Place, daemon: Daemon) -> AbstractContextManager[None]:
    return limited(daemon, resource.RLIMIT_FSIZE, 100)


def log_removed(place: Place, _: Daemon) -> AbstractContextManager[None]:
    shutil.rmtree(place.log)
    return nullcontext()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (disk_without_new_blocks, LOST),
        (disk_that_takes_nothing, "it could not leave word why; its stderr says"),
        (log_removed, r"\d+ records? (?:is|are) not in the interaction log: .*No such file or directory.*"),
    ],
)
def test_stop_says_that_records_were_lost(place: Place, fault: Fault, reason: str) -> None:
    """With exit code 1, as the daemon's own; nothing is left behind in the runtime directory."""
    place.configure(CONFIG)
    with running(place) as daemon:
        daemon.chat("hi")
        time.sleep(0.5)  # it is synced
        with fault(place, daemon):
            daemon.chat("x" * 3000)
            stop = place.run("stop")
            code = daemon.child.wait(PATIENCE)

    pid = daemon.child.pid
    assert (stop.returncode, code) == (1, 1)
    assert re.fullmatch(f"arawn: process {pid} has ended, and not in order: {reason}\n", stop.stderr)
    assert not list(Path(place.environ["ARAWN_RUNTIME_DIR"]).iterdir())
