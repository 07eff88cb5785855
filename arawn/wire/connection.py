"""One client connection: requests taken one after another, each given to the application, until one side is done."""

from __future__ import annotations

import contextlib
import logging
import socket
from typing import Any

import msgspec
import trio

from arawn.wire.asgi import ASGIApp, ClientLeft, Scope
from arawn.wire.exchange import Exchange, Inbox
from arawn.wire.limits import Limits
from arawn.wire.request import RequestError, RequestHead, find_head_end, parse_head
from arawn.wire.response import refusal

__all__ = ["Connection", "Shared", "refuse"]

logger = logging.getLogger("arawn.wire")


async def refuse(stream: trio.abc.HalfCloseableStream, answer: bytes, linger_seconds: float) -> None:
    """Write `answer`, then read and drop what still comes, so that a reset does not overtake the answer.

    The stream is not closed.

    Args:
        stream: The client's connection.
        answer: A whole response.
        linger_seconds: Longest time this may take.

    Checkpoint: always. If cancelled: the answer may be cut.
    """
    with trio.move_on_after(linger_seconds), contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(answer)
        await stream.send_eof()
        while await stream.receive_some():
            pass


class Shared(msgspec.Struct, frozen=True):
    """What all connections of one server have in common.

    Attributes:
        app: The ASGI application.
        limits: Bounds on what a client may cost.
        stopping: Once set, no further request is taken.
        state: What the application put into its lifespan state; every request gets a copy.
        idle: The scopes of the connections that wait for a request; they may be cancelled at any time.
    """

    app: ASGIApp
    limits: Limits
    stopping: trio.Event
    state: dict[str, Any]
    idle: set[trio.CancelScope]


class Connection:
    """One accepted stream. Requests sent ahead (pipelined) wait in the buffer and are answered in order."""

    def __init__(self, stream: trio.SocketStream, shared: Shared) -> None:
        """Begin before the first request; the caller closes `stream`."""
        self._stream = stream
        self._inbox = Inbox(stream)
        self._shared = shared
        self._limits = shared.limits
        self._client, self._server = _addresses(stream.socket)

    async def serve(self) -> None:
        """Answer requests until the connection is to be closed.

        Checkpoint: always. If cancelled: the request in hand is cancelled in the application too.
        """
        seconds = self._limits.header_seconds
        try:
            while await self._wait_request(seconds):
                head = await self._read_head()
                if head is None or not await self._answer(head):
                    return
                seconds = self._limits.idle_seconds
        except RequestError as error:
            await self._refuse(error)

    async def _wait_request(self, seconds: float) -> bool:
        """Wait for the first bytes of a request; False if the client leaves, is silent, or the server stops."""
        if self._inbox.buffer:
            return True
        if self._shared.stopping.is_set() or self._inbox.ended:
            return False
        with trio.move_on_after(seconds) as scope:
            self._shared.idle.add(scope)
            try:
                await self._inbox.fill()
            finally:
                self._shared.idle.discard(scope)
        return bool(self._inbox.buffer)

    async def _read_head(self) -> RequestHead | None:
        """Return the next request's head; None if the client leaves before its end."""
        buffer = self._inbox.buffer
        end = self._find_head(0)
        if end < 0:
            with trio.move_on_after(self._limits.header_seconds) as scope:
                end = await self._read_until_head()
            if scope.cancelled_caught:
                raise RequestError(408, "the request headers took too long to arrive")
        if end < 0:
            return None
        block = bytes(buffer[:end])
        del buffer[:end]
        return parse_head(block)

    async def _read_until_head(self) -> int:
        end = -1
        while end < 0 and not self._inbox.ended:
            seen = len(self._inbox.buffer)
            await self._inbox.fill()
            end = self._find_head(seen)
        return end

    def _find_head(self, scanned: int) -> int:
        buffer = self._inbox.buffer
        while buffer.startswith(b"\r\n"):  # empty lines before a request are allowed
            del buffer[:2]
            scanned = 0
        return find_head_end(buffer, scanned, self._limits.header_bytes)

    async def _answer(self, head: RequestHead) -> bool:
        """Run the application on one request; True if the connection may carry another."""
        exchange = Exchange(head, self._inbox, self._limits, self._shared.stopping)
        failed = False
        try:
            await self._shared.app(self._scope(head), exchange.receive, exchange.send)
        except Exception as error:  # an application's fault ends its request, never the server
            failed = True
            if not _only_client_left(error):
                logger.exception("the application failed on `%s %s`", head.method, head.path)
        if exchange.fault and not exchange.response.started:
            raise exchange.fault
        if not exchange.response.complete:
            await self._cut(head, exchange, failed=failed)
            return False
        return exchange.finish()

    async def _cut(self, head: RequestHead, exchange: Exchange, *, failed: bool) -> None:
        """End a request whose response the application did not finish."""
        if self._inbox.ended:
            return
        if not failed and not exchange.fault:
            logger.error("the application returned without finishing its response to `%s %s`", head.method, head.path)
        if not exchange.response.started:
            answer = refusal(500, "internal_error", "the request could not be answered; the server's log says why")
            await refuse(self._stream, answer, self._limits.linger_seconds)

    async def _refuse(self, error: RequestError) -> None:
        answer = refusal(error.status, "invalid_request", error.reason)
        await refuse(self._stream, answer, self._limits.linger_seconds)

    def _scope(self, head: RequestHead) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": head.version,
            "method": head.method,
            "scheme": "http",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers,
            "client": self._client,
            "server": self._server,
            "state": self._shared.state.copy(),
        }


def _addresses(sock: trio.socket.SocketType) -> tuple[tuple[str, int] | None, tuple[str, int | None] | None]:
    """Return the ASGI `client` and `server`; a Unix socket has its path and no port, and no client address."""
    own = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return None, (own if isinstance(own, str) else "", None)
    try:
        peer = sock.getpeername()
    except OSError:  # left already; the first read will tell
        return None, (own[0], own[1])
    return (peer[0], peer[1]), (own[0], own[1])


def _only_client_left(error: Exception) -> bool:
    """Whether the application ended only because nothing could be sent to its client any more."""
    if isinstance(error, ExceptionGroup):
        return error.split(ClientLeft)[1] is None
    return isinstance(error, ClientLeft)
