"""One request and its response: the `receive` and `send` that an ASGI application is called with.

The socket is read only when somebody asks: `receive` reads the body on demand (that is the back-pressure) and, once the
body is complete, its wait for `http.disconnect` *is* the watch on the socket. No task stands by.
"""

from __future__ import annotations

import contextlib
import os

import trio

from arawn.wire.asgi import ClientLeft, Event
from arawn.wire.body import ChunkedBody, LengthBody
from arawn.wire.leavers import Leavers
from arawn.wire.limits import Limits
from arawn.wire.request import RequestError, RequestHead
from arawn.wire.response import CONTINUE, ResponseEncoder

__all__ = ["Exchange", "LeavingCancels", "Peer"]

_READ_BYTES = 64 * 1024


class Peer:
    """The client's end of a connection: what has arrived from it and is not consumed yet, and the way back to it.

    Reads and writes go to the socket's descriptor: the bookkeeping of the stream on top would double their cost.

    Attributes:
        buffer: What has arrived; whoever understands bytes removes them from the front.
        ended: Nothing will follow.
        descriptor: Of the socket; -1 after `close`.
    """

    def __init__(self, stream: trio.SocketStream, write_seconds: float) -> None:
        """Begin with nothing read; the caller calls `close`, and then closes `stream`."""
        self._write_seconds = write_seconds
        self.buffer = bytearray()
        self.ended = False
        self.descriptor = stream.socket.fileno()

    def close(self) -> None:
        """Read and write no more: the descriptor may soon be that of another connection."""
        self.descriptor = -1

    async def fill(self) -> None:
        """Read once from the socket.

        Checkpoint: always. If cancelled: nothing was read.
        """
        while True:
            await trio.lowlevel.wait_readable(self.descriptor)
            try:
                data = os.read(self.descriptor, _READ_BYTES)
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
                await trio.lowlevel.wait_writable(self.descriptor)
            if scope.cancelled_caught:
                raise ClientLeft(f"the client has taken nothing of its answer for {self._write_seconds:g} seconds")
            sent += self._write_some(memoryview(data)[sent:])

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self.descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ClientLeft("the client closed the connection before its answer was complete") from error


class LeavingCancels:
    """A block in which the request is cancelled when its client leaves; see `arawn.wire.asgi.LEAVING_CANCELS`."""

    def __init__(self, exchange: Exchange, peer: Peer, leavers: Leavers, scope: trio.CancelScope) -> None:
        """`scope` is what the request runs in."""
        self._exchange = exchange
        self._peer = peer
        self._leavers = leavers
        self._scope = scope

    def __enter__(self) -> None:
        self._leavers.watch(self._peer.descriptor, self._left)

    def __exit__(self, *_: object) -> None:
        self._leavers.unwatch(self._peer.descriptor)

    def _left(self) -> None:
        self._exchange.leave()
        self._scope.cancel(reason="the client left")


class Exchange:
    """One request and its response. Not reentrant: one task may receive while another sends, no more.

    Attributes:
        client_left: Nobody reads: writing has shown it, or somebody has told.
        fault: Why the body was refused; the application was told `http.disconnect` then.
        response: What has been said so far.
    """

    client_left = False
    fault: RequestError | None = None
    _body_delivered = False
    _over = False  # nothing is received or sent any more
    _writing = False  # stays true after a write that was cut short

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
        self._body_seconds = limits.body_seconds
        self._read_ahead = limits.header_bytes
        self._continue_due = head.expects_continue
        self._stopping = stopping
        self.response = ResponseEncoder(head.method, head.version, keep_alive=head.keep_alive)

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

    async def receive(self) -> Event:
        """ASGI `receive`: pieces of the body, then `http.disconnect` once the client has left or was refused.

        A client that shuts down its sending half counts as one that left. While it has pipelined more than
        a head's worth of bytes, its leaving is noticed only after the response.

        Checkpoint: only when it has to wait for the client. If cancelled: nothing is lost; call again.
        """
        if self._over or self.response.complete:
            return {"type": "http.disconnect"}
        if self._body_delivered:
            await self._wait_client_left()
            return {"type": "http.disconnect"}
        try:
            piece = self._body.take(self._peer.buffer) or await self._next_piece()
        except RequestError as error:
            self.fault, self._over = error, True
            return {"type": "http.disconnect"}
        done = self._body.done
        if not piece and not done:
            return {"type": "http.disconnect"}
        self._body_delivered = done
        self._continue_due = False
        return {"type": "http.request", "body": piece, "more_body": not done}

    def leave(self) -> None:
        """Take note that the client has left: nothing can be sent to it any more."""
        self._over = self.client_left = True

    async def send(self, event: Event) -> None:
        """ASGI `send`: returns when the bytes are with the operating system (the reader's pace).

        Raises:
            ClientLeft: The connection is gone, the client has stopped reading, or the request was refused meanwhile.
            RuntimeError, ValueError: The application sent what ASGI or HTTP does not allow.

        Checkpoint: in a stream, unless the task has slept since the last piece; for a whole one only when the client is
        slow. If cancelled: a part may have been written; the connection is closed after this exchange.
        """
        if self._over:
            raise ClientLeft("the client is gone or its request was refused; nothing can be sent to it")
        if self._writing:
            raise RuntimeError("another task is sending, or a piece sent before was cut short")
        response = self.response
        if response.head_due and not self._keeps_alive():
            response.keep_alive = False
        data = response.encode(event)
        if not data:
            return
        self._writing = True
        try:
            await self._peer.write(data)
        except ClientLeft:
            self.leave()
            raise
        self._writing = False
        task = trio.lowlevel.current_task()
        if task.custom_sleep_data is self:  # which trio clears when a task sleeps
            await trio.lowlevel.checkpoint()  # a stream made faster than it is read must not starve the others
        if not response.complete:
            task.custom_sleep_data = self

    def _keeps_alive(self) -> bool:
        """Whether the connection can go on after this response: the body's end must be in sight already."""
        if self._stopping.is_set():
            return False
        return self._body.done or self._body.ends_within(self._peer.buffer)

    async def _next_piece(self) -> bytes:
        """Wait for the next decoded bytes; empty only at the end of the body or of the connection."""
        piece = b""
        while not piece and not self._body.done and not self._peer.ended:
            await self._fill()
            piece = self._body.take(self._peer.buffer)
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
