"""`GET /backends`: the profiles and how they are, as `arawn status` and `arawn backends list` show them."""

from __future__ import annotations

from functools import partial

from arawn.server.call import Call, Route
from arawn.server.metrics import StatusDoor
from arawn.server.reply import json_reply

__all__ = ["backend_routes"]


def backend_routes(runtime: StatusDoor) -> dict[tuple[str, str], Route]:
    """Return the route by method and path."""
    return {("GET", "/backends"): partial(_list, runtime)}


async def _list(runtime: StatusDoor, call: Call) -> None:
    await call.respond(json_reply(200, runtime.status().backends))
