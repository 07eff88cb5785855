"""One request and its response: the `receive` and `send` that an ASGI application is called with.

The socket is read only when somebody asks: `receive` reads the body on demand (that is the back-pressure) and, once the
body is complete, its wait for `http.disconnect` *is* the watch on the socket. No task stands by.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial

import trio

from arawn.wire.asgi import ClientLeft, Event
from arawn.wire.body import ChunkedBody, LengthBody
from arawn.wire.leavers import Leavers
from arawn.wire.limits import Limits
from arawn.wire.request import RequestError, RequestHead
from arawn.wire.response import CONTINUE, ResponseEncoder

__all__ = ["Exchange", "Peer"]

_READ_BYTES = 64 * 1024


class Peer:
    """The client's end of a connection: what has arrived from it and is not consumed yet, and the way back to it.

    Reads and writes go to the socket's descriptor: the bookkeeping of the stream on top would double their cost.

    Attributes:
        buffer: What has arrived; whoever understands bytes removes them from the front.
        ended: Nothing will follow.
    """

    def __init__(self, stream: trio.SocketStream, write_seconds: float) -> None:
        """Begin with nothing read; the caller closes `stream`."""
        self._socket = stream.socket
        self._write_seconds = write_seconds
        self.buffer = bytearray()
        self.ended = False

    @property
    def descriptor(self) -> int:
        """Of the socket; -1 after its close."""
        return self._socket.fileno()

    async def fill(self) -> None:
        """Read once from the socket.

        Checkpoint: always. If cancelled: nothing was read.
        """
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                data = os.read(self._socket.fileno(), _READ_BYTES)
            except BlockingIOError:  # it only looked readable
                continue
            except OSError:  # a reset ends the input as a close does
                data = b""
            self.buffer += data
            self.ended = not data
            return

    async def write(self, data: bytes) -> None:
        """Return when all of `data` is with the operating system.

        Raises:
            ClientLeft: The connection is gone, or the client has taken nothing for the time it is given.

        Checkpoint: only when the system does not take all of it at once. If cancelled: a part may have been written.
        """
        sent = self._write_some(data)
        while sent < len(data):
            with trio.move_on_after(self._write_seconds) as scope:
                await trio.lowlevel.wait_writable(self._socket)
            if scope.cancelled_caught:
                raise ClientLeft(f"the client has taken nothing of its answer for {self._write_seconds:g} seconds")
            sent += self._write_some(memoryview(data)[sent:])

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self._socket.fileno(), data)  # -1 after a close: a descriptor used again is never hit
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientLeft("the client closed the connection before its answer was complete") from error


class Exchange:
    """One request and its response. Not reentrant: one task may receive while another sends, no more.

    Attributes:
        fault: Why the body was refused; the application was told `http.disconnect` then.
        response: What has been said so far.
    """

    def __init__(self, head: RequestHead, peer: Peer, limits: Limits, stopping: trio.Event) -> None:
        """Open the exchange.

        Args:
            head: The request's checked head, already removed from the peer's buffer.
            peer: The client's end of the connection.
            limits: Bounds on the waiting for the body.
            stopping: Once set, the response says `connection: close`.
        """
        self._peer = peer
        length = head.content_length
        self._body: LengthBody | ChunkedBody = ChunkedBody() if length is None else LengthBody(length)
        self._body_delivered = False
        self._body_seconds = limits.body_seconds
        self._read_ahead = limits.header_bytes
        self._continue_due = head.expects_continue
        self._stopping = stopping
        self._writing = False  # stays true after a write that was cut short
        self._over = False
        self._unreachable = False
        self.response = ResponseEncoder(head.method, head.version, keep_alive=head.keep_alive)
        self.fault: RequestError | None = None

    def finish(self) -> bool:
        """Drop what the application left unread of the body; say whether the connection may carry another request.

        A task that the application left behind can receive and send no more.
        """
        self._over = True
        response = self.response
        if not response.complete or not response.keep_alive or self._writing:
            return False
        if not self._body.done:
            self._body.take(self._peer.buffer)
        return self._body.done

    @property
    def delivered(self) -> bool:
        """Whether the whole response has been written."""
        return self.response.complete and not self._writing

    @property
    def client_left(self) -> bool:
        """Whether writing has shown that nobody reads."""
        return self._unreachable

    async def receive(self) -> Event:
        """ASGI `receive`: pieces of the body, then `http.disconnect` once the client has left or was refused.

        A client that shuts down its sending half counts as one that left. While it has pipelined more than
        a head's worth of bytes, its leaving is noticed only after the response.

        Checkpoint: only when it has to wait for the client. If cancelled: nothing is lost; call again.
        """
        if self.fault or self._over or self.response.complete:
            return {"type": "http.disconnect"}
        if self._body_delivered:
            await self._wait_client_left()
            return {"type": "http.disconnect"}
        try:
            piece = await self._next_piece()
        except RequestError as error:
            self.fault = error
            return {"type": "http.disconnect"}
        if not piece and not self._body.done:
            return {"type": "http.disconnect"}
        self._body_delivered = self._body.done
        return {"type": "http.request", "body": piece, "more_body": not self._body.done}

    @contextlib.contextmanager
    def cancelled_when_left(self, leavers: Leavers, scope: trio.CancelScope) -> Iterator[None]:
        """Cancel `scope` if the client leaves during the block; see `arawn.wire.asgi.LEAVING_CANCELS`."""
        leavers.watch(self._peer.descriptor, partial(self._left, scope))
        try:
            yield
        finally:
            leavers.unwatch(self._peer.descriptor)

    def _left(self, scope: trio.CancelScope) -> None:
        self._over = self._unreachable = True
        scope.cancel(reason="the client left")

    async def send(self, event: Event) -> None:
        """ASGI `send`: returns when the bytes are with the operating system (the reader's pace).

        Raises:
            ClientLeft: The connection is gone, the client has stopped reading, or the request was refused meanwhile.
            RuntimeError, ValueError: The application sent what ASGI or HTTP does not allow.

        Checkpoint: in a stream, always; for a whole or last piece only when the client is slow. If cancelled: a part
        may have been written; the connection is closed after this exchange.
        """
        if self.fault or self._over:
            raise ClientLeft("the client is gone or its request was refused; nothing can be sent to it")
        if self._writing:
            raise RuntimeError("another task is sending, or a piece sent before was cut short")
        if not self.response.started:
            self.response.keep_alive = self.response.keep_alive and self._keeps_alive()
        data = self.response.encode(event)
        if not data:
            return
        self._writing = True
        try:
            await self._peer.write(data)
        except ClientLeft:
            self._over = self._unreachable = True
            raise
        self._writing = False
        if not self.response.complete:  # a stream made faster than it is read must not starve the others
            await trio.lowlevel.checkpoint()

    def _keeps_alive(self) -> bool:
        """Whether the connection can go on after this response: the body's end must be in sight already."""
        if self._stopping.is_set():
            return False
        return self._body.done or self._body.ends_within(self._peer.buffer)

    async def _next_piece(self) -> bytes:
        """Return the next decoded bytes; empty only at the end of the body or of the connection."""
        piece = self._body.take(self._peer.buffer)
        while not piece and not self._body.done and not self._peer.ended:
            await self._fill()
            piece = self._body.take(self._peer.buffer)
        self._continue_due = False
        return piece

    async def _fill(self) -> None:
        """Wait for more of the body, within what is left of the time for it."""
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._body_seconds)) as scope:
            await self._invite_body()
            await self._peer.fill()
        self._body_seconds -= trio.current_time() - began
        if scope.cancelled_caught:
            raise RequestError(408, "the request body took too long to arrive")

    async def _invite_body(self) -> None:
        """Answer `Expect: 100-continue`, once, if nothing of the body or the response is on its way yet."""
        if not self._continue_due or self.response.started:
            return
        self._continue_due = False
        with contextlib.suppress(ClientLeft):  # the read that follows finds the same end
            await self._peer.write(CONTINUE)

    async def _wait_client_left(self) -> None:
        while not self._peer.ended and len(self._peer.buffer) < self._read_ahead:
            await self._peer.fill()
        if not self._peer.ended:
            await trio.sleep_forever()
