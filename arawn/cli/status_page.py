"""The status of a daemon as lines and rows for people. Pure."""

from __future__ import annotations

import msgspec

from arawn.status import BackendStatus, RuntimeStatus

__all__ = ["HEADERS", "duration_words", "head_lines", "rows"]

HEADERS = ("profile", "kind", "model", "health", "queued", "in hand", "restarts", "reason")


def head_lines(found: RuntimeStatus) -> list[str]:
    """Return what is said above the table of backends."""
    health = found.log.health
    log = "off" if found.log.path is None else f"{health.state}  {found.log.path}"
    active = ", ".join(found.active_workstreams) or "none"
    return [
        f"daemon       arawn {found.version}, process {found.pid}, up {duration_words(found.uptime_s)}",
        f"log          {log}" + (f"  ({health.reason})" if health.reason else ""),
        f"workstreams  {active} in memory",
    ]


def rows(found: RuntimeStatus) -> list[tuple[str, ...]]:
    """Return the cells of every backend, below `HEADERS`; those that are being drained come last."""
    draining = [
        msgspec.structs.replace(backend, health="draining", reason="replaced or removed; finishes the calls it has")
        for backend in found.draining
    ]
    return [_row(backend) for backend in (*found.backends, *draining)]


def _row(backend: BackendStatus) -> tuple[str, ...]:
    numbers = (backend.queued, backend.in_hand, backend.restarts)
    return (
        backend.profile,
        backend.kind,
        backend.model or "",
        backend.health,
        *(str(number) for number in numbers),
        backend.reason or backend.last_crash or "",
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
