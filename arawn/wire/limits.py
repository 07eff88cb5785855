"""What one client may cost the server; every default stands here. Pure data.

A body may be of any length: it is read as the application asks for it, which counts.
"""

from __future__ import annotations

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on sizes (bytes), waits (seconds) and open connections.

    Attributes:
        header_bytes: Request line and headers together; more is answered 431.
        header_seconds: From the first byte of a request to the end of its headers (408). A new connection must begin
            its first request within it too.
        body_seconds: Time spent waiting for the client to send one body (408); a slow application does not count.
        idle_seconds: Silence between two requests after which the connection is closed.
        write_seconds: How long a client may take nothing of its answer before the connection is closed.
        linger_seconds: How long a client is given to read the last answer before the connection is closed.
        connections: Open at once over the network, and as many through Unix sockets; for further ones the connection
            is closed that has waited the longest for its request, or, where all have one, they are answered 503.
    """

    header_bytes: int = 64 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    linger_seconds: float = 1.0
    connections: int = 1024
