"""Where a backend answers: the address, the key, the address of each endpoint, and what takes requests there. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import msgspec

__all__ = ["Carrier", "Endpoint", "endpoint_url", "exact_target", "sender"]

Carrier = httpx.AsyncClient | httpx.AsyncBaseTransport
"""What takes requests to the server: a bare transport, or a client around one that needs it, as for proxies."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where a backend answers and with which key; `bearer` says how the key is sent."""

    kind: str
    base_url: str
    key: str | None = None
    bearer: bool = True


def endpoint_url(base_url: str, path: str, query: bytes = b"") -> httpx.URL:
    """Return where to post; a version that both parts name counts once. httpx quotes odd characters of a query anew."""
    base = base_url.rstrip("/")
    if path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    url = httpx.URL(base + path)
    return url.copy_with(query=query) if query else url


def exact_target(url: httpx.URL, query: bytes) -> bytes:
    """Return path and query of `url` as they go into a request line, with each character of `query` as it is."""
    return url.raw_path.partition(b"?")[0] + b"?" + query


def sender(carrier: Carrier) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Return what sends a request; the body of the answer is still to be read."""
    if isinstance(carrier, httpx.AsyncClient):
        return partial(carrier.send, stream=True)
    return carrier.handle_async_request
