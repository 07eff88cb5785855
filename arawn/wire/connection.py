"""One client connection: requests taken one after another, each given to the application, until one side is done."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from functools import partial
from typing import Any

import msgspec
import trio

from arawn.wire.asgi import LEAVING_CANCELS, ASGIApp, ClientLeft, Scope
from arawn.wire.exchange import Exchange, LeavingCancels, Peer
from arawn.wire.leavers import Leavers
from arawn.wire.limits import Limits
from arawn.wire.request import RequestError, RequestHead, find_head_end, parse_head, path_asked
from arawn.wire.response import Words, plain_words, refusal

__all__ = ["Connection", "Shared", "refuse"]

logger = logging.getLogger("arawn.wire")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


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
        await _part(stream)


async def _part(stream: trio.abc.HalfCloseableStream) -> None:
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
        idle: The scopes of the connections that wait for a request, since when, and until when they may; who cancels
            one takes it out.
        words: Says what the server itself refuses.
        leavers: Watches for clients that leave; None where that takes a task for each request.
        begun: The scopes of the connections whose request has begun and has no whole head yet, and since when; as those
            of `idle`.
    """

    app: ASGIApp
    limits: Limits
    stopping: trio.Event
    state: dict[str, Any]
    idle: dict[trio.CancelScope, tuple[float, float]]
    words: Words = plain_words
    leavers: Leavers | None = None
    begun: dict[trio.CancelScope, float] = {}


class Connection:
    """One accepted stream. Requests sent ahead (pipelined) wait in the buffer and are answered in order."""

    def __init__(self, stream: trio.SocketStream, shared: Shared) -> None:
        """Begin before the first request; the caller closes `stream`."""
        self._stream = stream
        self._peer = Peer(stream, shared.limits.write_seconds)
        self._shared = shared
        self._limits = shared.limits
        self._patience = shared.limits.header_seconds
        self._path: str | None = None  # of the request whose head has been read
        self._client, self._server = _addresses(stream.socket)

    async def serve(self) -> None:
        """Answer requests until the connection is to be closed.

        Checkpoint: always. If cancelled: the request in hand is cancelled in the application too.
        """
        leavers, descriptor = self._shared.leavers, self._peer.descriptor
        if leavers is not None:
            leavers.add(descriptor)
        try:
            going = True
            while going:
                going = False
                with trio.CancelScope() as scope:
                    going = await self._serve_within(scope)
        except RequestError as error:
            await self._refuse(error.status, "invalid_request", error.reason)
        finally:
            if leavers is not None:
                leavers.remove(descriptor)
            self._peer.close()

    async def _serve_within(self, scope: trio.CancelScope) -> bool:
        """Answer requests until the connection ends; True if one is here but `scope` is spent.

        One scope serves many requests, since opening one costs as much as parsing a request. It is cancelled while no
        request is here, and by a client that leaves; a request that comes just then is answered in a fresh one.
        """
        while await self._wait_request(scope):
            head = await self._read_head()
            if head is None or not await self._answer(head, scope):
                return False
        return bool(self._peer.buffer)

    async def _wait_request(self, scope: trio.CancelScope) -> bool:
        """Wait for the first bytes of a request; False if the client leaves, the server stops or `scope` is spent."""
        if self._peer.buffer:
            await trio.lowlevel.checkpoint()  # requests sent ahead must not starve other connections
            return True
        if self._shared.stopping.is_set() or self._peer.ended:
            return False
        now = trio.current_time()
        self._shared.idle[scope] = (now, now + self._patience)
        try:
            await self._peer.fill()
        finally:
            spent = self._shared.idle.pop(scope, None) is None
        self._patience = self._limits.idle_seconds
        return bool(self._peer.buffer) and not spent

    async def _read_head(self) -> RequestHead | None:
        """Return the next request's head; None if the client leaves before its end."""
        buffer = self._peer.buffer
        self._path = None
        end = self._find_head(0)
        if end < 0:
            with trio.move_on_after(self._limits.header_seconds) as scope:
                self._shared.begun[scope] = trio.current_time()
                try:
                    end = await self._read_until_head()
                finally:
                    given_up = scope not in self._shared.begun
                    self._shared.begun.pop(scope, None)
            if scope.cancelled_caught and not given_up:
                raise RequestError(408, "the request headers took too long to arrive")
        if end < 0:
            return None
        head = parse_head(bytes(buffer[:end]))
        del buffer[:end]
        self._path = head.path
        return head

    async def _read_until_head(self) -> int:
        end = -1
        while end < 0 and not self._peer.ended:
            seen = len(self._peer.buffer)
            await self._peer.fill()
            end = self._find_head(seen)
        return end

    def _find_head(self, scanned: int) -> int:
        buffer = self._peer.buffer
        while buffer.startswith(b"\r\n"):  # empty lines before a request are allowed
            del buffer[:2]
            scanned = 0
        return find_head_end(buffer, scanned, self._limits.header_bytes)

    async def _answer(self, head: RequestHead, scope: trio.CancelScope) -> bool:
        """Run the application on one request; True if the connection may carry another."""
        exchange = Exchange(head, self._peer, self._limits, self._shared.stopping)
        failed = False
        try:
            await self._shared.app(self._scope(head, exchange, scope), exchange.receive, exchange.send)
        except Exception as error:  # an application's fault ends its request, never the server
            failed = True
            if not _only_client_left(error):
                logger.exception("the application failed on `%s`", _described(head))
        if exchange.finish():
            return True
        if exchange.fault and not exchange.response.started:
            raise exchange.fault
        if exchange.delivered:
            await self._take_leave()
        else:
            await self._cut(head, exchange, failed=failed)
        return False

    async def _cut(self, head: RequestHead, exchange: Exchange, *, failed: bool) -> None:
        """End a request whose response the application did not finish."""
        if self._peer.ended or exchange.client_left:
            return
        if not failed and not exchange.fault:
            logger.error("the application returned without finishing its response to `%s`", _described(head))
        if not exchange.response.started:
            await self._refuse(500, "internal_error", "the request could not be answered; the server's log says why")
        elif exchange.response.ends_with_connection:  # only a reset tells the client that this was not the end
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    async def _take_leave(self) -> None:
        """End the connection after a whole response; bytes that come too late must not reset it on its way."""
        if not self._peer.ended:
            with trio.move_on_after(self._limits.linger_seconds), contextlib.suppress(trio.BrokenResourceError):
                await _part(self._stream)

    async def _refuse(self, status: int, kind: str, reason: str) -> None:
        path = path_asked(self._peer.buffer) if self._path is None else self._path
        answer = refusal(self._shared.words, status, kind, reason, path)
        await refuse(self._stream, answer, self._limits.linger_seconds)

    def _scope(self, head: RequestHead, exchange: Exchange, scope: trio.CancelScope) -> Scope:
        leavers, extensions = self._shared.leavers, {}
        if leavers is not None:
            extensions[LEAVING_CANCELS] = partial(LeavingCancels, exchange, self._peer, leavers, scope)
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
            "extensions": extensions,
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


def _described(head: RequestHead) -> str:
    """Return method and path for the log; the path as it was sent, since decoded it may hold line breaks."""
    return f"{head.method} {head.raw_path.decode('ascii')}"
