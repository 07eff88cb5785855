"""`GET /metrics`: everything that can be counted, as Prometheus reads it."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from arawn.metrics.counts import Counts
from arawn.metrics.exposition import CONTENT_TYPE, written
from arawn.metrics.families import families
from arawn.server.call import Call, Route
from arawn.server.reply import Reply
from arawn.status import RuntimeStatus

__all__ = ["StatusDoor", "metrics_routes"]


class StatusDoor(Protocol):
    """What these routes need of the runtime."""

    def status(self) -> RuntimeStatus:
        """Return the state of everything, now."""
        ...


def metrics_routes(runtime: StatusDoor, counts: Counts) -> dict[tuple[str, str], Route]:
    """Return the route by method and path; `counts` are those of the runtime's calls."""
    return {("GET", "/metrics"): partial(_metrics, runtime, counts)}


async def _metrics(runtime: StatusDoor, counts: Counts, call: Call) -> None:
    await call.respond(Reply(200, written(families(runtime.status(), counts)), content_type=CONTENT_TYPE))
