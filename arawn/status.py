"""What the running Arawn says of itself. Pure data."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

import actors
from arawn.config.schema import InteractionLogConfig
from arawn.interactions.health import LogHealth

__all__ = ["UNSYNCED", "BackendStatus", "LogStatus", "RuntimeStatus", "log_status"]

UNSYNCED = 'not synced (`sync = "off"`): a power loss takes what the system has not written by itself'


class BackendStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One backend: `health` is that of `BackendHealth`; `queued` calls wait, `in_hand` calls are under way.

    `mailbox` is how many calls find room while they wait; 0 if there is no bound.
    """

    profile: str
    kind: str
    model: str | None
    health: str
    reason: str | None
    since: datetime | None
    actor: str
    queued: int
    in_hand: int
    mailbox: int = 0
    restarts: int
    last_crash: str | None


class LogStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The interaction log: `path` is None when it is switched off."""

    path: str | None
    health: LogHealth


def log_status(path: Path | None, health: LogHealth, config: InteractionLogConfig) -> LogStatus:
    """Return the state of the log; its reason also says that nothing of it is synced, where that was asked for."""
    if path is not None and config.sync == "off":
        health = msgspec.structs.replace(health, reason="; ".join(filter(None, (health.reason, UNSYNCED))))
    return LogStatus(path=None if path is None else str(path), health=health)


class RuntimeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state at one moment; `active_workstreams` are those in memory.

    `draining` are backends that a reload has replaced or stopped, while they finish the calls that they have.
    `database_fault` is what is wrong with the workstream database, in a sentence.
    """

    version: str
    pid: int
    uptime_s: float
    default_profile: str | None
    log: LogStatus
    backends: tuple[BackendStatus, ...]
    draining: tuple[BackendStatus, ...] = ()
    active_workstreams: tuple[str, ...]
    database_fault: str | None = None
    tree: actors.Status

    def full_mailboxes(self) -> dict[str, int]:
        """Return the profiles whose mailbox has room for no more, and for how many calls it has."""
        return {one.profile: one.mailbox for one in self.backends if one.queued >= one.mailbox > 0}

    def to_json(self) -> str:
        """Return the status as one JSON object."""
        return msgspec.json.encode(self).decode()

    def to_builtins(self) -> dict[str, Any]:
        """Return the status as dicts, lists and plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
