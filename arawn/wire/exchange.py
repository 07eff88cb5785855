"""One request and its response: the `receive` and `send` that an ASGI application is called with.

The socket is read only when somebody asks: `receive` reads the body on demand (that is the back-pressure) and, once the
body is complete, its wait for `http.disconnect` *is* the watch on the socket. No task stands by.
"""

from __future__ import annotations

import contextlib

import trio

from arawn.wire.asgi import ClientLeft, Event
from arawn.wire.body import ChunkedBody, LengthBody, open_body
from arawn.wire.limits import Limits
from arawn.wire.request import RequestError, RequestHead
from arawn.wire.response import CONTINUE, ResponseEncoder

__all__ = ["Exchange", "Inbox"]


class Inbox:
    """What has arrived on one connection and is not consumed yet."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = bytearray()
        self.ended = False

    async def fill(self) -> None:
        """Read once from the socket; `ended` becomes true when nothing will follow.

        Checkpoint: always. If cancelled: nothing was read.
        """
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:  # a reset ends the input as a close does
            data = b""
        self.buffer += data
        self.ended = not data


class Exchange:
    """One request and its response. Not reentrant: one task may receive while another sends, no more.

    Attributes:
        fault: Why the body was refused; the application was told `http.disconnect` then.
        response: What has been said so far.
    """

    def __init__(self, head: RequestHead, inbox: Inbox, limits: Limits, stopping: trio.Event) -> None:
        """Open the exchange.

        Args:
            head: The request's checked head, already removed from `inbox`.
            inbox: The connection's input and its stream.
            limits: Bounds on the body and on the waiting for it.
            stopping: Once set, the response says `connection: close`.

        Raises:
            RequestError: The announced body is longer than the limit.
        """
        self._inbox = inbox
        self._body: LengthBody | ChunkedBody = open_body(head.content_length, limits.body_bytes)
        self._body_delivered = False
        self._body_seconds = limits.body_seconds
        self._read_ahead = limits.header_bytes
        self._continue_due = head.expects_continue
        self._stopping = stopping
        self._writing = False  # stays true after a write that was cut short
        self._left = False
        self.response = ResponseEncoder(head.method, head.version, keep_alive=head.keep_alive)
        self.fault: RequestError | None = None

    def finish(self) -> bool:
        """Drop what the application left unread of the body; say whether the connection may carry another request."""
        response = self.response
        if not response.complete or not response.keep_alive or self._writing:
            return False
        if not self._body.done:
            self._body.take(self._inbox.buffer)
        return self._body.done

    async def receive(self) -> Event:
        """ASGI `receive`: pieces of the body, then `http.disconnect` once the client has left or was refused.

        A client that shuts down its sending half counts as one that left. While it has pipelined more than
        a head's worth of bytes, its leaving is noticed only after the response.

        Checkpoint: only when it has to wait for the client. If cancelled: nothing is lost; call again.
        """
        if self.fault or self._left or self.response.complete:
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

    async def send(self, event: Event) -> None:
        """ASGI `send`: returns when the bytes are with the operating system (the reader's pace).

        Raises:
            ClientLeft: The connection is gone, or the request was refused meanwhile.
            RuntimeError, ValueError: The application sent what ASGI or HTTP does not allow.

        Checkpoint: when there is something to write. If cancelled: a part may have been written; the connection is
        closed after this exchange.
        """
        if self.fault or self._left:
            raise ClientLeft("the client is gone or its request was refused; nothing can be sent to it")
        if not self.response.started:
            self.response.keep_alive = self.response.keep_alive and self._keeps_alive()
        data = self.response.encode(event)
        if not data:
            return
        self._writing = True
        try:
            await self._inbox.stream.send_all(data)
        except trio.BrokenResourceError as error:
            self._left = True
            raise ClientLeft("the client closed the connection before its answer was complete") from error
        self._writing = False

    def _keeps_alive(self) -> bool:
        """Whether the connection can go on after this response: the body's end must be in sight already."""
        if self._stopping.is_set():
            return False
        return self._body.done or self._body.ends_within(self._inbox.buffer)

    async def _next_piece(self) -> bytes:
        """Return the next decoded bytes; empty only at the end of the body or of the connection."""
        piece = self._body.take(self._inbox.buffer)
        while not piece and not self._body.done and not self._inbox.ended:
            await self._fill()
            piece = self._body.take(self._inbox.buffer)
        self._continue_due = False
        return piece

    async def _fill(self) -> None:
        """Wait for more of the body, within what is left of the time for it."""
        began = trio.current_time()
        with trio.move_on_after(max(0.0, self._body_seconds)) as scope:
            await self._invite_body()
            await self._inbox.fill()
        self._body_seconds -= trio.current_time() - began
        if scope.cancelled_caught:
            raise RequestError(408, "the request body took too long to arrive")

    async def _invite_body(self) -> None:
        """Answer `Expect: 100-continue`, once, if nothing of the body or the response is on its way yet."""
        if not self._continue_due or self.response.started:
            return
        self._continue_due = False
        with contextlib.suppress(trio.BrokenResourceError):  # the read that follows finds the same end
            await self._inbox.stream.send_all(CONTINUE)

    async def _wait_client_left(self) -> None:
        while not self._inbox.ended and len(self._inbox.buffer) < self._read_ahead:
            await self._inbox.fill()
        if not self._inbox.ended:
            await trio.sleep_forever()
