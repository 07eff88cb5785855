"""`POST /reload`: have the configuration read again. Only through the socket: whoever may use that may do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from arawn.reload import ReloadReport
from arawn.server.call import Call, Route
from arawn.server.reply import Refused, json_reply, refusal

__all__ = ["reload_routes"]

AskReload = Callable[[], Awaitable[ReloadReport]]


def reload_routes(reload: AskReload) -> dict[tuple[str, str], Route]:
    """Return the route by method and path; `reload` does what it asks for."""
    return {("POST", "/reload"): partial(_reload, reload)}


async def _reload(reload: AskReload, call: Call) -> None:
    if not call.through_socket:
        message = "the configuration is reloaded through the Unix socket only; use `arawn reload`, or send SIGHUP"
        raise Refused(refusal(403, "socket_only", message))
    await call.respond(json_reply(200, await reload()))
