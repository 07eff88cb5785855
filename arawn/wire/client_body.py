"""Response bodies: raw bytes in, content out, and the knowledge of where the body ends. Pure.

What a length or the end of the connection delimits is handed on as it came, without a copy.
"""

from __future__ import annotations

from typing import Protocol

import httpx

from arawn.wire.body import ChunkedBody
from arawn.wire.client_head import Framing
from arawn.wire.request import RequestError

__all__ = ["BodyDecoder", "open_decoder"]


class BodyDecoder(Protocol):
    """One response body."""

    @property
    def done(self) -> bool:
        """Whether all of it has arrived."""

    @property
    def surplus(self) -> bool:
        """Whether bytes came after its end, which nobody asked for."""

    def feed(self, data: bytes) -> bytes:
        """Take what arrived and return the content in it.

        Raises:
            httpx.RemoteProtocolError: The coding is broken.
        """

    def end(self) -> None:
        """Take note that the server has closed the connection.

        Raises:
            httpx.RemoteProtocolError: The body was not complete.
        """


class _ByLength:
    def __init__(self, length: int) -> None:
        self._length = length
        self._left = length
        self.surplus = False

    @property
    def done(self) -> bool:
        return self._left == 0

    def feed(self, data: bytes) -> bytes:
        if len(data) > self._left:
            data = data[: self._left]
            self.surplus = True
        self._left -= len(data)
        return data

    def end(self) -> None:
        arrived = self._length - self._left
        raise httpx.RemoteProtocolError(
            f"the server closed the connection in the middle of its answer: {arrived} of {self._length} bytes came"
        )


class _Chunked:
    def __init__(self) -> None:
        self._body = ChunkedBody()
        self._buffer = bytearray()

    @property
    def done(self) -> bool:
        return self._body.done

    @property
    def surplus(self) -> bool:
        return self._body.done and bool(self._buffer)

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        try:
            return self._body.take(self._buffer)
        except RequestError as error:  # named for the server's side; the grammar is the same
            raise httpx.RemoteProtocolError(f"the response body is broken: {error.reason}") from error

    def end(self) -> None:
        raise httpx.RemoteProtocolError("the server closed the connection before the last chunk of its answer")


class _UntilClose:
    done = False
    surplus = False

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> None:
        self.done = True


def open_decoder(framing: Framing) -> BodyDecoder:
    """Return the decoder of a body that ends as `framing` says."""
    if isinstance(framing, int):
        return _ByLength(framing)
    return _Chunked() if framing == "chunked" else _UntilClose()
