"""Where a backend answers: the address and the key, and the address of each of its endpoints. Pure."""

from __future__ import annotations

import httpx
import msgspec

__all__ = ["Endpoint", "endpoint_url"]


class Endpoint(msgspec.Struct, frozen=True):
    """Where a backend answers and with which key; `bearer` says how the key is sent."""

    kind: str
    base_url: str
    key: str | None = None
    bearer: bool = True


def endpoint_url(base_url: str, path: str, query: bytes = b"") -> httpx.URL:
    """Return where to post; a version that both parts name counts once."""
    base = base_url.rstrip("/")
    if path.startswith("/v1/"):
        base = base.removesuffix("/v1")
    url = httpx.URL(base + path)
    return url.copy_with(query=query) if query else url
