"""A request body whose sending can be cancelled anywhere.

The body that httpx makes is an async generator, which a cancelled send leaves unfinished for the garbage collector to
complain about. This one is a plain iterator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

__all__ = ["RequestBody"]


class RequestBody(httpx.AsyncByteStream):
    """Bytes that are sent in one piece, as often as they are asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _OnePiece(self._content)


class _OnePiece:
    def __init__(self, content: bytes) -> None:
        self._left = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()
