"""What every request to one server begins with. Pure."""

from __future__ import annotations

import httpx

from arawn.backends.endpoint import Endpoint
from arawn.backends.protocol import Dialect
from arawn.config.schema import Profile
from arawn.wire.client_request import basic_auth

__all__ = ["request_head"]


def request_head(
    url: httpx.URL, endpoint: Endpoint, dialect: Dialect, profile: Profile, *, stream: bool
) -> list[tuple[bytes, bytes]]:
    """Return all headers but the length of the body.

    Args:
        url: Where the request goes; a user and a password in it become a header.
        endpoint: Gives the key.
        dialect: Says how the key is sent.
        profile: Its headers stand above ours.
        stream: Whether the answer is to be streamed.
    """
    headers = httpx.Headers({"host": url.netloc.decode(), "content-type": "application/json"})
    headers.update({"user-agent": "arawn", "accept-encoding": "gzip, deflate"})
    headers["accept"] = "text/event-stream" if stream else "application/json"
    headers.update(dialect.headers(endpoint.key, bearer=endpoint.bearer))
    headers.update(profile.headers)
    if url.userinfo:
        headers["authorization"] = basic_auth(url)
    return headers.raw
