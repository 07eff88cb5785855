"""The status of a daemon as lines and rows for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from arawn.cli.table_fit import on_one_line, shortened
from arawn.interactions.counted import counted
from arawn.status import BackendStatus, RuntimeStatus

__all__ = [
    "HEADERS",
    "LOG_WORDS",
    "duration_words",
    "full_words",
    "head_lines",
    "next_steps",
    "reason_of",
    "rows",
    "since_words",
]

LOG_WORDS = "give it room, or its directory back, and it goes on by itself"

_WELL = ("ready", "starting")

_NAMES, _NAME_COLUMNS = 10, 24  # of workstreams: so many, each so wide at most, are two or three lines

HEADERS = ("profile", "kind", "model", "health", "queued", "in hand", "restarts", "reason")


def head_lines(found: RuntimeStatus, now: datetime) -> list[str]:
    """Return what is said above the table of backends; `now` has a time zone."""
    health = found.log.health
    log = "off" if found.log.path is None else f"{health.state}  {found.log.path}"
    since = f"{since_words(health.since, now)}: " if health.since else ""
    reason = f"  ({since}{health.reason})" if health.reason else ""
    database = f"; {found.database_fault}" if found.database_fault else ""
    return [
        f"daemon       arawn {found.version}, process {found.pid}, up {duration_words(found.uptime_s)}",
        f"log          {log}{reason}",
        f"workstreams  {_in_memory(found.active_workstreams)}{database}",
    ]


def _in_memory(active: Sequence[str]) -> str:
    if not active:
        return "none in memory"
    shown = [shortened(on_one_line(name), _NAME_COLUMNS) for name in active[:_NAMES]]
    more = f" and {len(active) - _NAMES:,} more" if len(active) > _NAMES else ""
    return f"{len(active):,} in memory: {', '.join(shown)}{more}"


def rows(found: RuntimeStatus, now: datetime) -> list[tuple[str, ...]]:
    """Return the cells of every backend, below `HEADERS`; those that are being drained come last."""
    draining = [
        msgspec.structs.replace(backend, health="draining", reason="replaced or removed; finishes the calls it has")
        for backend in found.draining
    ]
    full = found.full_mailboxes()
    return [
        *(_row(backend, now, full.get(backend.profile)) for backend in found.backends),
        *(_row(backend, now, None) for backend in draining),
    ]


def next_steps(found: RuntimeStatus) -> list[str]:
    """Return what is said below the table: what to do about whatever is not well; nothing if all is."""
    steps = []
    if found.log.health.state == "degraded":
        kept = "what is not yet written is kept; if a file was removed, `arawn interactions verify` names what is gone"
        steps.append(f"log: {kept}; {LOG_WORDS}; `arawn doctor` looks at disk and files")
    if found.log.health.count:
        steps.append(
            f"log: {counted(found.log.health.count, 'record')} will never be written; "
            "`arawn interactions verify` names the gap"
        )
    ill = [one.profile for one in found.backends if one.health not in _WELL]
    if ill:
        steps.append(f"profiles: do what the reason says; `arawn backends test {' '.join(ill)}` asks again")
    if found.database_fault:
        steps.append("workstreams: calls go on, conversations cannot be kept; `arawn doctor` looks at the file")
    if any(one.last_crash for one in found.backends):
        steps.append("crashes: what crashed is started again by itself; the stderr of the daemon has more")
    return steps


def reason_of(backend: BackendStatus) -> str:
    """Return why a backend is as it is, in one line; of one that crashed and came back, that it did; "" if nothing."""
    reason = backend.reason or backend.last_crash or ""
    if reason and not backend.reason:
        came = "it came back" if backend.health == "ready" else "it is started again"
        reason = f"{came} after it had crashed: {reason}"
    return " ".join(reason.split())  # what a model server said has many lines


def full_words(bound: int) -> str:
    """Return what it means that the mailbox of a profile, with room for `bound` calls, is full."""
    return (
        f"its mailbox is full (`mailbox` = {bound}): more are refused over HTTP with 503 until there is room; "
        "send fewer at once, or raise it or `max_concurrency`"
    )


def _row(backend: BackendStatus, now: datetime, full: int | None) -> tuple[str, ...]:
    reason = reason_of(backend)
    if reason and backend.health not in ("ready", "draining"):
        reason = f"{since_words(backend.since, now)}: {reason}"
    if full is not None:
        reason = "; ".join(filter(None, (full_words(full), reason)))
    numbers = (backend.queued, backend.in_hand, backend.restarts)
    return (
        backend.profile,
        backend.kind,
        backend.model or "",
        backend.health,
        *(str(number) for number in numbers),
        reason,
    )


def duration_words(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def since_words(since: datetime | None, now: datetime) -> str:
    """Return for how long something has been so; a clock that was set back makes it no less than 0."""
    return "" if since is None else f"for {duration_words(max(0.0, (now - since).total_seconds()))}"
