"""`GET /healthz` and `GET /readyz`: whether the daemon lives, and whether it can take calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from arawn.server.auth import Door
from arawn.server.call import Call
from arawn.server.reply import json_reply, refusal
from arawn.status import RuntimeStatus

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime  # loads the whole runtime, of which the command line needs nothing

__all__ = ["Probe", "healthz", "readyz", "why_not_ready"]


_UNTOLD = "calls cannot be taken; `arawn status` says why, and so does this route for a `Host` that is accepted"


class Probe(msgspec.Struct, frozen=True):
    """What a probe answers when all is well."""

    status: Literal["ok", "ready"]


async def healthz(call: Call) -> None:
    """Answer 200 for as long as the daemon lives.

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    await call.respond(json_reply(200, Probe("ok")))


async def readyz(runtime: Runtime, door: Door, call: Call) -> None:
    """Answer 200 when calls can be taken, else 503 with the reason; a foreign `Host` is not told the reason.

    A balancer of loads probes by any address. A reason may name files and providers, which is nothing for a web page
    whose name was pointed at this machine.

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    reason = why_not_ready(runtime.status())
    if reason is not None and not (call.through_socket or door.knows_host(call.headers)):
        reason = _UNTOLD
    await call.respond(json_reply(200, Probe("ready")) if reason is None else refusal(503, "not_ready", reason))


def why_not_ready(status: RuntimeStatus) -> str | None:
    """Return why calls cannot be taken or kept as things are, None when they can."""
    if status.log.health.state == "lost":
        return f"the interaction log has lost records: {status.log.health.reason}"
    if status.database_fault is not None:
        return status.database_fault
    default = next((backend for backend in status.backends if backend.profile == status.default_profile), None)
    if default is not None and default.health == "unavailable":
        return f"profile `{default.profile}` is unavailable: {default.reason}"
    if default is not None and default.health == "starting":
        return f"profile `{default.profile}` is starting; calls wait for it"
    return None
