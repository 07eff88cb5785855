"""The faults of a running daemon, each provoked for as long as a block lasts."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import delete_expired, plan_deletion
from arawn.interactions.opening import now_utc, open_day_log
from tests.arawn.cli.place import PATIENCE, Place
from tests.arawn.interactions.samples import note
from tests.fake_provider import FakeProvider, Fault, Reply
from tests.system.daemons import Daemon, running
from tests.system.harmed_databases import HARMED
from tests.system.test_faults import full_disk, limited, log_health, wait_until
from tests.system.unprivileged import read_only

Provoked = Callable[[Place], AbstractContextManager[None]]
STALLED = Reply(before=Fault.STALL)
CONFIG = """
[llm]
backend = "scripted"

[server]
listen = "{listen}"
shutdown_grace_s = 600

[logging.interactions]
answer_wait_ms = 200
"""
FAR = """
[llm_profiles.far]
backend = "custom"
dialect = "openai"
base_url = "{url}"
model = "m"
"""


def configure(place: Place, *, listen: str = "127.0.0.1:0", far: str | None = None) -> None:
    place.configure(CONFIG.format(listen=listen) + ("" if far is None else FAR.format(url=far)))


@contextmanager
def disk_full(place: Place) -> Iterator[None]:
    with running(place) as daemon, full_disk(daemon):
        daemon.chat("hi")
        wait_until(lambda: log_health(place)["state"] == "degraded")
        yield


@contextmanager
def log_removed(place: Place) -> Iterator[None]:
    with running(place) as daemon:
        shutil.rmtree(place.log)
        wait_until(lambda: daemon.chat("hi").is_success and log_health(place)["state"] == "degraded")
        yield


@contextmanager
def log_read_only(place: Place) -> Iterator[None]:
    with running(place) as daemon:
        for file in place.log.glob("*.jsonl"):  # a file that is open is written on
            file.unlink()
        with read_only(place.log):
            wait_until(lambda: daemon.chat("hi").is_success and log_health(place)["state"] == "degraded")
            yield


@contextmanager
def database_locked(place: Place) -> Iterator[None]:
    with running(place), closing(sqlite3.connect(place.directory / "state" / "workstreams.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def out_of_descriptors(place: Place) -> Iterator[None]:
    with running(place) as daemon, limited(daemon, resource.RLIMIT_NOFILE, 5):
        yield


@contextmanager
def clock_set_back(place: Place) -> Iterator[None]:
    ahead = now_utc() + timedelta(days=3)
    with closing(open_day_log(place.log, InteractionLogConfig(), clock=lambda: ahead)) as log:
        log.append([note(1)])
    with running(place) as daemon:
        daemon.chat("hi")
        deadline = time.monotonic() + PATIENCE
        while "degraded" not in place.run("status").stdout:  # the log is looked through some seconds after the start
            assert time.monotonic() < deadline
        yield


@contextmanager
def clock_set_forward(place: Place) -> Iterator[None]:
    place.log.mkdir(mode=0o700)
    filesystem, before = Filesystem(), datetime.now(UTC).date() - timedelta(days=400)
    assert delete_expired(filesystem, place.log, plan_deletion(filesystem, place.log, before, 90)) == []
    with running(place) as daemon:
        daemon.chat("hi")
        yield


@contextmanager
def calling(daemon: Daemon, provider: FakeProvider) -> Iterator[None]:
    """Have a call under way that is answered when the provider ends."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(daemon.chat, "hi", routing_profile="far")
        wait_until(lambda: bool(provider.received))
        yield
        daemon.child.kill()


@contextmanager
def ending(place: Place) -> Iterator[None]:
    with FakeProvider(STALLED) as provider:
        configure(place, far=provider.address)
        with running(place) as daemon, calling(daemon, provider):
            daemon.child.send_signal(signal.SIGTERM)
            wait_until(lambda: place.run("status").returncode == 1)
            yield


@contextmanager
def reloaded(place: Place) -> Iterator[None]:
    with FakeProvider(STALLED) as provider:
        configure(place, far=provider.address)
        with running(place) as daemon, calling(daemon, provider):
            configure(place, far=provider.address + "/v2")
            assert place.run("reload").returncode == 0
            yield


@contextmanager
def killed(place: Place) -> Iterator[None]:
    with running(place) as daemon:
        daemon.end(signal.SIGKILL)
        yield


@contextmanager
def socket_gone(place: Place) -> Iterator[None]:
    with running(place):
        (Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock").unlink()
        yield


@contextmanager
def socket_replaced(place: Place) -> Iterator[None]:
    path = Path(place.environ["ARAWN_RUNTIME_DIR"]) / "arawn.sock"
    with running(place):
        path.unlink()
        path.touch()
        yield


@contextmanager
def runtime_gone(place: Place) -> Iterator[None]:
    with running(place):
        shutil.rmtree(place.environ["ARAWN_RUNTIME_DIR"])
        yield


@contextmanager
def suspended(place: Place) -> Iterator[None]:
    with running(place) as daemon:
        daemon.child.send_signal(signal.SIGSTOP)
        yield


RUNNING: dict[str, Provoked] = {
    "the disk is full": disk_full,
    "the log's directory is removed": log_removed,
    "the log's directory becomes read-only": log_read_only,
    **HARMED,
    "the database is locked": database_locked,
    "no more descriptors": out_of_descriptors,
    "the clock was set back": clock_set_back,
    "the clock jumped ahead": clock_set_forward,
    "the daemon is stopping": ending,
    "a reload has replaced a busy profile": reloaded,
    "the daemon was killed": killed,
    "the socket file is taken away": socket_gone,
    "another file stands in the socket's place": socket_replaced,
    "the runtime directory is deleted": runtime_gone,
    "the daemon is suspended": suspended,
}
