"""Sending the rest of a request, which takes a while: somebody listens meanwhile for an early answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import trio

from arawn.wire.client_connection import ClientConnection
from arawn.wire.client_head import ResponseHead
from arawn.wire.client_request import LAST_CHUNK, Outgoing, encode_chunk, wrong_length

__all__ = ["Upload"]

_CLOSE_S = 2.0
_FRAMED_APART_BYTES = 64 * 1024


class Upload:
    """The rest of one request, on its way through the connection that took its head.

    Attributes:
        complete: Whether all of it has been sent; if not, the connection cannot carry another.
    """

    def __init__(self, connection: ClientConnection, outgoing: Outgoing, write_seconds: float | None) -> None:
        """Begin; nothing of the rest is sent yet."""
        self.complete = False
        self._connection = connection
        self._outgoing = outgoing
        self._seconds = write_seconds
        self._early: ResponseHead | None = None
        self._fault: Exception | None = None  # of the body or its sending
        self._broken_off: httpx.TransportError | None = None

    async def send(self, rest: httpx.AsyncByteStream) -> ResponseHead | None:
        """Send `rest`, and listen meanwhile.

        An answer of 400 or above ends the sending. Any other waits until all has been sent, because some servers
        answer while they go on reading.

        Returns:
            The head of an answer that came early.

        Raises:
            httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError: The connection is of no use any more.
            httpx.LocalProtocolError: The body is not as long as its head says.
            Exception: Whatever the body's iterator raises.

        Checkpoint: always. If cancelled: a part may have been sent.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery.cancel_scope)
            await self._send_rest(rest)
            nursery.cancel_scope.cancel(reason="the sending has ended")
        fault = self._fault or self._broken_off
        if fault is not None:
            raise fault
        return self._early

    async def _listen(self, scope: trio.CancelScope) -> None:
        try:
            self._early = await self._connection.read_head(self._outgoing.method, None)
        except httpx.TransportError as error:  # raised by `send`, outside the nursery and its groups
            self._broken_off = error
            scope.cancel(reason="the server has broken off")
            return
        if self._early.status >= 400:
            scope.cancel(reason="the server refuses the request")

    async def _send_rest(self, body: httpx.AsyncByteStream) -> None:
        pieces = aiter(body)
        try:
            await self._send_pieces(pieces)
            self.complete = True
        except httpx.WriteError:
            return  # the server may have answered before it closed, which the next read finds out
        except Exception as error:  # noqa: BLE001  # raised by `send`, outside the nursery and its groups
            self._fault = error
        finally:
            if not self.complete:
                await _close(pieces)  # noqa: ASYNC102  # shielded, with a deadline, inside

    async def _send_pieces(self, pieces: AsyncIterator[bytes]) -> None:
        declared, sent = self._outgoing.length, 0
        async for piece in pieces:
            sent += len(piece)
            if declared is None:
                await self._send_chunk(piece)
            elif sent > declared:
                raise wrong_length(sent, declared)
            elif piece:
                await self._connection.send(piece, self._seconds)
        if declared is None:
            await self._connection.send(LAST_CHUNK, self._seconds)
        elif sent < declared:
            raise wrong_length(sent, declared)

    async def _send_chunk(self, piece: bytes) -> None:
        if len(piece) < _FRAMED_APART_BYTES:
            framed = [encode_chunk(piece)] if piece else []
        else:  # a copy would cost more than two more sends
            framed = [b"%x\r\n" % len(piece), piece, b"\r\n"]
        for part in framed:
            await self._connection.send(part, self._seconds)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    """Let a body's generator clean up."""
    close = getattr(pieces, "aclose", None)
    if close is not None:
        with trio.move_on_after(_CLOSE_S, shield=True):
            await close()
