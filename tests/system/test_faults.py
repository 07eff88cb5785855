"""What the running daemon does when its surroundings fail, and what its user sees: the table in docs/operations.md."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.cli.place import PATIENCE, ROOT, Place
from tests.fake_provider import FakeProvider, Fault, Reply, events, openai_chunk, stream_reply
from tests.system.daemons import Daemon, records, running
from tests.system.daemons import place as place  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.slow  # real processes

CONFIG = """
[llm]
backend = "scripted"

[llm_profiles.far]
backend = "custom"
dialect = "openai"
base_url = "{url}"
model = "m"
max_concurrency = 1

[server]
listen = "127.0.0.1:0"
shutdown_grace_s = 0.5

[logging.interactions]
answer_wait_ms = 200
"""


def configure(place: Place, url: str = "http://127.0.0.1:9") -> None:
    place.configure(CONFIG.format(url=url))


@contextmanager
def limited(daemon: Daemon, limit: int, value: int) -> Iterator[None]:
    """Take something away from the running daemon for as long as the block lasts."""
    was = resource.prlimit(daemon.child.pid, limit)
    resource.prlimit(daemon.child.pid, limit, (value, was[1]))
    try:
        yield
    finally:
        if daemon.child.poll() is None:
            resource.prlimit(daemon.child.pid, limit, was)


def full_disk(daemon: Daemon) -> Any:
    """Let no file of the daemon grow: `write` fails as on a full disk."""
    return limited(daemon, resource.RLIMIT_FSIZE, 100)


def log_health(place: Place) -> dict[str, Any]:
    health: dict[str, Any] = json.loads(place.run("status", "--json").stdout)["log"]["health"]
    return health


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_disk_holds_up_the_log_and_not_the_calls(place: Place) -> None:
    """Answers go out, `status` says why the log is behind; with room again every record is there, without a restart.

    A judgement that waits is not said to be noted.
    """
    configure(place)
    with running(place) as daemon:
        first = daemon.chat("hi").json()["interaction_id"]
        with full_disk(daemon):
            answered = [daemon.chat(f"{number}") for number in range(3)]
            asked = place.run("ask", "and you")
            judged = place.run("interactions", "feedback", first, "good")
            during = log_health(place)
            stored = daemon.chat("kept", workstream="research")
        wait_until(lambda: daemon.chat("and on").is_success and log_health(place)["state"] == "ok")
        code, said = daemon.end(signal.SIGTERM)

    assert [answer.status_code for answer in answered] == [200] * 3
    assert (asked.returncode, asked.stdout) == (0, "echo: and you\n")
    assert "the log is degraded: " in asked.stderr
    assert (judged.returncode, judged.stdout, "noted for" in judged.stderr) == (1, "", False)
    assert "the feedback is not in the interaction log yet: " in judged.stderr
    assert (during["state"], "free space or check the disk" in during["reason"]) == ("degraded", True)
    assert (stored.status_code, stored.json()["error"]["type"]) == (503, "store_failed")
    ids = {record["id"] for record in records(place)}
    assert {answer.json()["interaction_id"] for answer in answered} <= ids
    assert (code, "all is well again" in said, "Traceback" in said) == (0, True, False)


@pytest.mark.slow
def test_a_disk_that_stays_full_is_not_silent_at_the_end(place: Place) -> None:
    """The daemon ends in bounded time and says how many records are lost; exit code 1."""
    configure(place)
    with running(place) as daemon, full_disk(daemon):
        daemon.chat("hi")
        began = time.monotonic()
        code, said = daemon.end(signal.SIGTERM)

    assert time.monotonic() - began < 20
    assert code == 1
    assert re.search(
        r"arawn: (1 record is|\d+ records are) not in the interaction log: .*free space or check the disk", said
    )


@pytest.mark.slow
@pytest.mark.parametrize("back", [True, False], ids=["and comes back", "for good"])
def test_a_log_directory_that_is_removed_is_told(place: Place, back: bool) -> None:
    """Calls are answered; `status` names the directory; once it is there again everything kept is written."""
    configure(place)
    with running(place) as daemon:
        daemon.chat("hi")
        time.sleep(0.5)  # it is synced
        shutil.rmtree(place.log)
        daemon.chat("hi again")
        wait_until(lambda: log_health(place)["state"] == "degraded")
        during = log_health(place)
        assert daemon.chat("again").status_code == 200
        if back:
            place.log.mkdir(mode=0o700)
            wait_until(lambda: daemon.chat("and on").is_success and log_health(place)["state"] == "ok")
        code, said = daemon.end(signal.SIGTERM)

    assert str(place.log) in during["reason"]
    assert code == (0 if back else 1)
    assert "Traceback" not in said
    if back:
        assert {record["status"] for record in records(place)} == {"ok"}
        assert len({record["id"] for record in records(place)}) >= 3


@pytest.mark.slow
def test_a_locked_database_holds_up_conversations_alone(place: Place) -> None:
    """They fail with 503 after 5 s; calls without one, and the same conversation later, work."""
    configure(place)
    with running(place) as daemon:
        daemon.chat("one", workstream="research")
        other = sqlite3.connect(place.directory / "state" / "workstreams.db")
        other.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(daemon.chat, "two", workstream="research")
            alone = daemon.chat("no conversation")
            refused = waiting.result()
        other.rollback()
        other.close()
        again = daemon.chat("three", workstream="research")

    assert (refused.status_code, alone.status_code, again.status_code) == (503, 200, 200)
    assert "database is locked" in refused.json()["error"]["message"]


def test_a_damaged_database_ends_the_start(place: Place) -> None:
    """With its name and what to do; no traceback."""
    configure(place)
    path = place.directory / "state" / "workstreams.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1_000)

    done = place.run("start")

    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"arawn: cannot open the workstream database `{path}`: .*restore a copy", done.stderr)
    assert "Traceback" not in done.stderr


def test_out_of_descriptors_new_callers_wait_and_none_is_lost(place: Place) -> None:
    """Nothing crashes: when there are descriptors again, who waited is served, and the log is complete."""
    configure(place)
    with running(place) as daemon, ThreadPoolExecutor(1) as pool:
        daemon.chat("before")
        with limited(daemon, resource.RLIMIT_NOFILE, 5):
            waiting = pool.submit(daemon.chat, "meanwhile")
            time.sleep(0.5)
            assert not waiting.done()
        answered = waiting.result()
        wait_until(lambda: log_health(place)["state"] == "ok")
        code, _ = daemon.end(signal.SIGTERM)

    assert (answered.status_code, code) == (200, 0)
    assert [record["status"] for record in records(place)] == ["ok", "ok"]


def test_a_daemon_whose_socket_file_is_gone_still_serves_and_can_be_found(place: Place) -> None:
    """HTTP works; commands say that nobody answers, and a start names the process to end."""
    configure(place)
    with running(place) as daemon:
        (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()
        answered, status, second = daemon.chat("hi"), place.run("status"), place.run("start")
        ended = daemon.end(signal.SIGTERM)

    assert answered.status_code == 200
    assert (status.returncode, "no daemon answers" in status.stderr) == (1, True)
    assert (second.returncode, f"process {daemon.child.pid}, " in second.stderr) == (1, True)
    assert ended == (0, "")


BUSY = Reply(status=503, headers={"retry-after": "15"})
STREAMS = stream_reply([*events(openai_chunk(content="begun")), Fault.STALL])


@contextmanager
def _calling(daemon: Daemon, calls: int, **fields: object) -> Iterator[None]:
    """Have so many callers wait for an answer, whatever comes of it."""
    with ThreadPoolExecutor(calls) as pool:
        for _ in range(calls):
            pool.submit(daemon.chat, "hi", routing_profile="far", **fields)
        yield


@pytest.mark.parametrize(
    ("reply", "calls", "fields", "ends"),
    [
        (STREAMS, 1, {"stream": True}, {"cancelled"}),
        (Reply(before=Fault.STALL), 1, {}, {"cancelled"}),
        (Reply(before=Fault.STALL), 6, {}, {"cancelled"}),
        (BUSY, 1, {}, {"error"}),
        (Reply(before=Fault.STALL), 2, {"workstream": "research"}, {"cancelled"}),
    ],
    ids=["streaming", "waiting for an answer", "with a queue", "between two attempts", "in a conversation"],
)
def test_sigterm_ends_it_in_order_whatever_it_is_doing(
    place: Place, reply: Reply, calls: int, fields: dict[str, Any], ends: set[str]
) -> None:
    """Exit code 0 within the grace and a little, no word of it on stderr, and a record of each call that was sent."""
    with FakeProvider(reply) as provider:
        configure(place, provider.address)
        with running(place) as daemon, _calling(daemon, calls, **fields):
            wait_until(lambda: bool(provider.received))
            time.sleep(0.2)
            began = time.monotonic()
            code, said = daemon.end(signal.SIGTERM)

        assert (code, [line for line in said.splitlines() if "profile `far` is degraded" not in line]) == (0, [])
        assert time.monotonic() - began < 5
        assert {record["status"] for record in records(place)} == ends
        assert len(records(place)) == len(provider.received)


def test_the_table_of_faults_names_its_tests() -> None:
    """Each line of the page is held by a file of tests, and the file is there."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## When something fails")[2].partition("\n## ")[0]
    named = re.findall(r"`(tests/[a-z_/]+\.py)`", section)

    assert {"tests/system/test_faults.py", "tests/system/test_faults_kill.py"} <= set(named)
    assert [name for name in named if not (ROOT / name).is_file()] == []
