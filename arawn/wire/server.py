"""An ASGI 3 server for HTTP/1.1 on trio streams: accepts connections up to a limit and stops gracefully."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import islice

import msgspec
import trio

from arawn.wire.asgi import ASGIApp
from arawn.wire.burst_listener import BurstListener
from arawn.wire.connection import Connection, Shared, refuse
from arawn.wire.leavers import open_leavers
from arawn.wire.lifespan import open_lifespan
from arawn.wire.limits import Limits
from arawn.wire.response import Words, plain_words, refusal

__all__ = ["serve"]

logger = logging.getLogger("arawn.wire")

_READ_BYTES = 64 * 1024
_HEARD_S = 0.1  # what a client is given to say something when others need its place
_REFUSALS_AT_ONCE = 64  # clients above the limit that are given time to read why


async def serve(
    app: ASGIApp,
    *,
    listeners: Sequence[trio.SocketListener],
    stopping: trio.Event,
    limits: Limits | None = None,
    grace_seconds: float = math.inf,
    words: Words = plain_words,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `listeners` until `stopping` is set and the last request has been answered.

    Once `stopping` is set nothing is accepted, idle connections are closed, and requests in flight go on for
    `grace_seconds`; then they are cancelled. The application's shutdown comes after that, and has its own time.

    Args:
        app: The ASGI application. A failure in it is answered 500 and logged; it never ends the server.
        listeners: Listening sockets, TCP or Unix; closed before this returns.
        stopping: Asks for the graceful stop.
        limits: Bounds on what one client may cost; the defaults if None.
        grace_seconds: How long requests in flight may go on after `stopping`. A cancel scope around this call bounds
            that too, but takes the application's shutdown with it.
        words: Says what the server itself refuses, before the application is asked or in its place.
        task_status: Reports started once connections are accepted.

    Raises:
        ExceptionGroup: Of `LifespanFailed` (the application refused to start, or failed to stop in order) or of
            `OSError` (accepting connections has become impossible).

    Checkpoint: always. If cancelled: requests in flight are cancelled and every connection is closed.
    """
    sources = [BurstListener(listener) for listener in listeners]
    try:
        async with open_lifespan(app) as state, open_leavers() as leavers:
            door = _Door(Shared(app, limits or Limits(), stopping, state, {}, words, leavers))
            async with trio.open_nursery() as connections, trio.open_nursery() as acceptors:
                acceptors.start_soon(door.close_overdue)
                await acceptors.start(partial(trio.serve_listeners, door.admit, sources, handler_nursery=connections))
                task_status.started()
                await stopping.wait()
                acceptors.cancel_scope.cancel(reason="the server stops")
                door.close_idle()
                connections.cancel_scope.deadline = trio.current_time() + grace_seconds
    finally:  # also when accepting never began
        for source in sources:
            await trio.aclose_forcefully(source)  # noqa: ASYNC102  # closes at once


class _Door:
    """Lets connections in, as many as the limit allows: through Unix sockets so many, and over the network so many.

    Whoever can fill the network's places with connections that carry no token takes none from the owner of the machine,
    and none for long from those who say something: who says nothing gives way.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = {way: msgspec.structs.replace(shared, idle={}, begun={}) for way in ("socket", "network")}
        self._words = shared.words
        self._limits = shared.limits
        self._open: Counter[str] = Counter()  # by the way they came
        self._refusing = 0

    async def admit(self, stream: trio.SocketStream) -> None:
        """Serve one accepted connection, or say that there are too many; closes it."""
        try:
            way = "socket" if stream.socket.family == socket.AF_UNIX else "network"
            if self._open[way] < self._limits.connections or self._make_room(way):
                await self._serve(stream, way)
            else:
                await self._turn_away(stream)
        except Exception:  # one connection's fault never ends the server
            logger.exception("a connection failed")
        finally:
            await trio.aclose_forcefully(stream)

    def _make_room(self, way: str) -> bool:
        """End the connection that has waited the longest for a whole head, else for a request; False if none has.

        In that order, and not at once, since a client that has just come waits for a request too, and is to be heard.
        """
        shared, until = self._shared[way], trio.current_time() - _HEARD_S
        silent = [scope for scope, since in islice(shared.begun.items(), 1) if since <= until]
        silent += [scope for scope, (since, _) in islice(shared.idle.items(), 1) if since <= until]
        for scope in silent[:1]:  # both stand in the order in which they began to wait
            shared.begun.pop(scope, None)
            self._end(scope, "others need the place")
        return bool(silent)

    def close_idle(self) -> None:
        """End every connection that waits for a request."""
        for scope in self._idle():
            self._end(scope, "the server stops")

    def _end(self, scope: trio.CancelScope, reason: str) -> None:
        for shared in self._shared.values():
            shared.idle.pop(scope, None)
        scope.cancel(reason=reason)

    def _idle(self) -> dict[trio.CancelScope, float]:
        return {scope: until for shared in self._shared.values() for scope, (_, until) in shared.idle.items()}

    async def close_overdue(self) -> None:
        """End connections that have waited too long for a request; never returns.

        One task looks at all of them when the first may be due: a timer for each would cost more than their requests.
        """
        shortest = min(self._limits.header_seconds, self._limits.idle_seconds)
        while True:
            now = trio.current_time()
            idle = self._idle()
            for scope in [scope for scope, until in idle.items() if until <= now]:
                self._end(scope, "no request came in time")
            waiting = [until for until in idle.values() if until > now]
            await trio.sleep_until(min([now + shortest, *waiting]))

    async def _serve(self, stream: trio.SocketStream, way: str) -> None:
        self._open[way] += 1
        try:
            await Connection(stream, self._shared[way]).serve()
        finally:
            self._open[way] -= 1

    async def _turn_away(self, stream: trio.SocketStream) -> None:
        reason = f"all {self._limits.connections} connections are in use; try again later"
        answer = refusal(self._words, 503, "too_many_connections", reason, None)
        if self._refusing >= _REFUSALS_AT_ONCE:
            _answer_in_passing(stream.socket.fileno(), answer)
            return
        self._refusing += 1
        try:
            await refuse(stream, answer, self._limits.linger_seconds)
        finally:
            self._refusing -= 1


def _answer_in_passing(descriptor: int, answer: bytes) -> None:
    """Write `answer` and drop what has come, without waiting: what lies unread at the close would reset the answer."""
    with contextlib.suppress(OSError):  # the client has left, or takes nothing
        os.write(descriptor, answer)
        os.read(descriptor, _READ_BYTES)
