"""What keeps `GET /readyz` from saying `ready`."""

from __future__ import annotations

import msgspec
import pytest

import actors
from arawn.interactions.health import LogHealth
from arawn.server.probes import why_not_ready
from arawn.status import BackendStatus, LogStatus, RuntimeStatus

BACKEND = BackendStatus(
    profile="p",
    kind="custom",
    model="m",
    health="ready",
    reason=None,
    since=None,
    actor="running",
    queued=0,
    in_hand=0,
    restarts=0,
    last_crash=None,
)
WELL = RuntimeStatus(
    version="1",
    pid=7,
    uptime_s=1.0,
    default_profile="p",
    log=LogStatus(path=None, health=LogHealth()),
    backends=(BACKEND,),
    active_workstreams=(),
    tree=actors.Status(name="arawn", kind="supervisor", state="running"),
)
LOST = LogStatus(path="log", health=LogHealth("lost", "no room", count=1))
KEYLESS = msgspec.structs.replace(BACKEND, health="unavailable", reason="no key")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (WELL, None),
        (msgspec.structs.replace(WELL, log=LOST), "the interaction log has lost records: no room"),
        (msgspec.structs.replace(WELL, database_fault="the database is gone"), "the database is gone"),
        (msgspec.structs.replace(WELL, backends=(KEYLESS,)), "profile `p` is unavailable: no key"),
        (msgspec.structs.replace(WELL, backends=(KEYLESS,), default_profile="q"), None),
    ],
)
def test_what_would_be_lost_or_refused_is_the_reason(status: RuntimeStatus, why: str | None) -> None:
    """A log that loses, a database that keeps nothing, a default profile that cannot be asked; no other profile."""
    assert why_not_ready(status) == why
