"""Routes that look at more of a request than its method, path and body: its query, and the door it came through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import msgspec

from arawn.server.call import Call
from arawn.server.reply import Refused, refusal
from arawn.wire.asgi import Scope

__all__ = ["ScopedRoute", "came_through_socket", "query_of"]


class ScopedRoute(msgspec.Struct, frozen=True):
    """A route whose `answer` is given the ASGI scope too."""

    answer: Callable[[Call, Scope], Awaitable[None]]

    async def __call__(self, call: Call) -> None:
        """Refuse to go without the scope: `build_app` knows these routes and calls `answer`."""
        raise TypeError(f"the route of `{call.path}` needs the scope of its request")


def came_through_socket(scope: Scope) -> bool:
    """Say whether the request came through the Unix socket, whose file mode has decided who may."""
    server = scope.get("server")
    return server is not None and server[1] is None


def query_of(scope: Scope) -> list[tuple[str, str]]:
    """Return the names and values of the query in their order.

    Raises:
        Refused: It is no query (400).
    """
    try:
        return parse_qsl(scope.get("query_string", b"").decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        message = f"the query of this request cannot be read: {error}; write it as `?name=value&name=value`"
        raise Refused(refusal(400, "invalid_request", message)) from error
