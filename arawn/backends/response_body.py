"""The body of a provider's answer: how its pieces are had, and how it is let go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import trio

__all__ = ["close", "content_of", "content_type_of"]

_CLOSE_S = 2.0


def content_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the pieces of the body as they arrive, decoded if they are coded."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return aiter(response.stream)


def content_type_of(response: httpx.Response) -> str:
    """Return the media type, in small letters and without parameters; empty if there is none."""
    header: str = response.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower()


async def close(response: httpx.Response, chunks: AsyncIterator[bytes], *, drain_s: float) -> None:
    """Read to the end for at most `drain_s`, then close. The answer is complete or lost: faults here change nothing."""
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
