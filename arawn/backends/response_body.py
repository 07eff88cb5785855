"""The body of a provider's answer: how its pieces are had, and how it is let go."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx
import trio

from arawn.backends.connection_failures import broken_body
from arawn.errors import BadReply
from arawn.wire.client_request import Content

__all__ = ["close", "content_at_hand", "content_of", "content_type_of", "next_piece", "read_all"]

_CLOSE_S = 2.0
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_AT_ONCE = 64 * 1024  # bytes of content; a thousandth of that may hold them


def content_at_hand(response: httpx.Response) -> bytes | None:
    """Return the whole content, if all of the body is in memory and not packed; there is nothing left to close then."""
    body = response.stream
    return body.content if isinstance(body, Content) and "content-encoding" not in response.headers else None


def content_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the pieces of the body as they arrive, unpacked if they are packed.

    They raise `httpx.HTTPError`: `httpx.DecodingError` if they cannot be unpacked, or are packed as nobody asked for.
    """
    assert isinstance(response.stream, httpx.AsyncByteStream)  # as every asynchronous transport gives it
    pieces = aiter(response.stream)
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    return pieces if coding in {"", "identity"} else _Unpacked(pieces, coding)


class _Unpacked:
    """The content of a packed body; an object, since a generator that is left half-way has to be closed by somebody."""

    def __init__(self, pieces: AsyncIterator[bytes], coding: str) -> None:
        self._pieces = pieces
        self._coding = coding
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._has_more = False  # of what has arrived already

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._coding not in {"gzip", "x-gzip", "deflate"}:
            raise httpx.DecodingError(f"the body is coded as {self._coding!r}, which was not asked for")
        content = b""
        while not content:
            piece: bytes | None = self._inflate.unconsumed_tail
            if self._has_more:
                await trio.lowlevel.checkpoint()  # a small body can hold gigabytes, and others wait
            else:
                piece = await anext(self._pieces, None)
            if piece is None:
                self._check_end()
                raise StopAsyncIteration
            content = self._unpack(piece)
        return content

    def _unpack(self, piece: bytes) -> bytes:
        if self._inflate.eof:
            return b""  # what follows the content is none, and would be kept
        try:
            content = self._inflate.decompress(piece, _AT_ONCE)
        except zlib.error as error:
            raise httpx.DecodingError(f"the body is no {self._coding}: {error}") from error
        self._has_more = len(content) == _AT_ONCE and not self._inflate.eof
        return content

    def _check_end(self) -> None:
        if not self._inflate.eof:
            raise httpx.DecodingError(f"the body ends before its {self._coding} content does")


def content_type_of(response: httpx.Response) -> str:
    """Return the media type, in small letters and without parameters; empty if there is none."""
    header: str = response.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower()


async def next_piece(where: str, chunks: AsyncIterator[bytes]) -> bytes | None:
    """Return the next piece of the body, None at its end.

    Raises:
        BadReply: The body broke off, or cannot be unpacked.

    Checkpoint: as the body. If cancelled: as the body.
    """
    try:
        return await anext(chunks, None)
    except httpx.HTTPError as error:
        raise broken_body(where, error) from error


async def read_all(where: str, chunks: AsyncIterator[bytes], most: int) -> bytes:
    """Return the rest of the body, which may have `most` bytes.

    Raises:
        BadReply: It has more; or as `next_piece`.

    Checkpoint: as the body. If cancelled: as the body.
    """
    pieces: list[bytes] = []
    size = 0
    while (chunk := await next_piece(where, chunks)) is not None:
        size += len(chunk)
        if size > most:
            raise BadReply(f"{where} sent a reply of more than {most} bytes; lower `max_tokens`")
        pieces.append(chunk)
    return b"".join(pieces)


async def close(response: httpx.Response, chunks: AsyncIterator[bytes], *, drain_s: float) -> None:
    """Read to the end for at most `drain_s`, then close. The answer is complete or lost: faults here change nothing.

    Checkpoint: not for a body in memory; else where reading and closing have one.
    If cancelled: it takes its time all the same, `drain_s` and 2 s at most.
    """
    if isinstance(response.stream, Content):
        return  # all of it is in memory, and its connection serves others already
    try:
        if drain_s:
            with trio.move_on_after(drain_s, shield=True):
                while await anext(chunks, None) is not None:
                    pass
    except httpx.HTTPError:
        return  # the connection has been closed
    finally:
        with trio.move_on_after(_CLOSE_S, shield=True):
            await response.aclose()
