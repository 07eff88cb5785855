"""Where a backend answers: the address, the key, the address of each endpoint, and what takes requests there. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import msgspec

__all__ = ["Carrier", "Endpoint", "endpoint_url", "sender"]

Carrier = httpx.AsyncClient | httpx.AsyncBaseTransport
"""What takes requests to the server: a bare transport, or a client around one that needs it, as for proxies."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where a backend answers and with which key; `bearer` says how the key is sent.

    `proxy` is the variable that names the proxy on the way there.
    """

    kind: str
    base_url: str
    key: str | None = None
    bearer: bool = True
    proxy: str | None = None


class _ExactUrl(httpx.URL):
    """An address that goes into the request line with each character of its query; httpx quotes odd ones anew."""

    def __init__(self, url: httpx.URL, query: bytes) -> None:
        super().__init__(url)
        self._query = query

    @property
    def raw_path(self) -> bytes:
        return super().raw_path + b"?" + self._query


def endpoint_url(base_url: str, path: str, query: bytes = b"") -> httpx.URL:
    """Return where to post; a version that both parts name counts once, and a query of the base stays at the end.

    With `query` it must be set as the `url` of a request: one that is made with it gets a copy without that query.
    """
    base, _, own = base_url.partition("?")
    base = base.rstrip("/")
    if path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    if query:
        return _ExactUrl(httpx.URL(base + path), b"&".join(filter(None, (own.rstrip("&").encode(), query))))
    return httpx.URL(f"{base}{path}?{own}" if own else base + path)


def sender(carrier: Carrier) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """Return what sends a request; the body of the answer is still to be read."""
    if isinstance(carrier, httpx.AsyncClient):
        return partial(carrier.send, stream=True)
    return carrier.handle_async_request
