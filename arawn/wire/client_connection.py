"""One connection to a server: sends bytes, reads heads, and turns every fault into the exception httpx has for it."""

from __future__ import annotations

import httpx
import trio

from arawn.wire.client_head import BrokenHead, CutHead, ResponseHead, find_response_head_end, parse_response_head
from arawn.wire.client_link import Link

__all__ = ["ClientConnection"]


class ClientConnection:
    """An open connection. It carries one request at a time; the pool decides which.

    Attributes:
        link: The bytes below.
        reused: Whether it has carried a request before.
        idle_since: When it was given back (trio's clock).
    """

    def __init__(self, link: Link, head_bytes: int) -> None:
        """Begin before the first request.

        Args:
            link: Freshly connected; closed by whoever retires this connection.
            head_bytes: Longest response head, informational ones counted in.
        """
        self.link = link
        self.reused = False
        self.idle_since = 0.0
        self._head_bytes = head_bytes
        self._buffer = b""

    async def send(self, data: bytes, seconds: float | None) -> None:
        """Send all of `data`.

        Raises:
            httpx.WriteError: The connection is gone.
            httpx.WriteTimeout: The server took less than that within `seconds`.

        Checkpoint: only when it has to wait. If cancelled: a part may have been sent.
        """
        try:
            if seconds is None:
                return await self.link.send(data)
            with trio.move_on_after(seconds):
                return await self.link.send(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpx.WriteError(f"the request could not be sent: {error}") from error
        raise httpx.WriteTimeout(f"the server did not take the request within {seconds:g} s")

    async def receive(self, seconds: float | None) -> bytes:
        """Return what arrives next, b"" at the end.

        Raises:
            httpx.ReadError: The connection is gone.
            httpx.ReadTimeout: Nothing came within `seconds`.

        Checkpoint: as `Link.receive`. If cancelled: nothing is lost.
        """
        try:
            if seconds is None:
                return await self.link.receive()
            with trio.move_on_after(seconds):
                return await self.link.receive()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpx.ReadError(f"the answer could not be read: {error}") from error
        raise httpx.ReadTimeout(f"the server sent nothing within {seconds:g} s")

    async def read_head(self, method: str, seconds: float | None) -> ResponseHead:
        """Return the head of the answer; informational ones (100, 103) are passed over.

        Args:
            method: Of the request.
            seconds: Longest wait for the next bytes; None for ever.

        Raises:
            httpx.ReadError, httpx.ReadTimeout: As `receive`; no byte of an answer had come.
            httpx.RemoteProtocolError: The server has closed the connection instead of answering.
            BrokenHead: What came is not valid, was cut (`CutHead`), or wants another protocol.

        Checkpoint: when it has to wait. If cancelled: what has arrived is kept; call again.
        """
        left = self._head_bytes
        while True:
            block = await self._read_block(left, seconds)
            head = parse_response_head(block, method)
            if head.status >= 200:
                return head
            if head.status == 101:
                raise BrokenHead("the server switched to another protocol, which is not spoken here")
            left -= len(block)

    async def _read_block(self, limit: int, seconds: float | None) -> bytes:
        """Take one head, its empty line included, off the front of what arrives."""
        end = find_response_head_end(self._buffer, 0, limit) if self._buffer else -1
        while end < 0:
            data = await self._receive_head(seconds)
            scanned = len(self._buffer)
            self._buffer += data  # for a head that drips in a copy each time, which costs less than to wake up
            end = find_response_head_end(self._buffer, scanned, limit)
        block, self._buffer = self._buffer[:end], self._buffer[end:]
        return block

    async def _receive_head(self, seconds: float | None) -> bytes:
        """Return what arrives next, which is never the end; errors as for `read_head`."""
        try:
            data = await self.receive(seconds)
        except httpx.ReadError as error:
            if self._buffer:
                raise CutHead("the connection broke in the middle of a response head") from error
            raise
        if not data and self._buffer:
            raise CutHead("the server closed the connection in the middle of a response head")
        if not data:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        return data

    def take_buffered(self) -> bytes:
        """Return what has arrived behind the last head that was read, and forget it."""
        taken, self._buffer = self._buffer, b""
        return taken
