"""From an origin to an open link: name look-up, TCP, TLS, and whom TLS trusts."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable

import certifi
import httpx
import msgspec
import trio

from arawn.wire.client_link import Link, PlainLink, TlsLink

__all__ = ["Connector", "Origin", "default_tls"]


class Origin(msgspec.Struct, frozen=True):
    """Where connections go; those of one origin are alike.

    Attributes:
        scheme: `http` or `https`.
        host: A name, or an IP address without brackets.
        port: The port.
        server_name: The name that the certificate must carry, if it is not `host`.
    """

    scheme: str
    host: str
    port: int
    server_name: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def default_tls() -> ssl.SSLContext:
    """Return a context that trusts the system's roots and certifi's.

    With `SSL_CERT_FILE` or `SSL_CERT_DIR` set only what they name is trusted. Takes some 30 ms: reading the roots.
    """
    context = ssl.create_default_context()  # the system's roots; OpenSSL itself looks at the two variables
    paths = ssl.get_default_verify_paths()
    if not _is_set(paths.openssl_cafile_env) and not _is_set(paths.openssl_capath_env):
        context.load_verify_locations(cafile=certifi.where())
    return context


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(variable))


class Connector:
    """Opens links; reads the trusted roots when the first `https` origin asks for them."""

    def __init__(self, tls: Callable[[], ssl.SSLContext] = default_tls) -> None:
        """Take note of where the TLS context comes from; it is set to speak HTTP/1.1."""
        self._new_tls = tls
        self._tls: ssl.SSLContext | None = None

    async def connect(self, origin: Origin, seconds: float | None) -> Link:
        """Return a connection to `origin`, over TLS if its scheme says so.

        The addresses of a name are tried as RFC 8305 says ("happy eyeballs").

        Args:
            origin: Where to.
            seconds: Longest time for all of it, TLS included; None for ever.

        Raises:
            httpx.ConnectTimeout: It took longer.
            httpx.ConnectError: The name is not known, nothing answers there, or TLS failed; the cause is attached.

        Checkpoint: always. If cancelled: nothing stays open.
        """
        with trio.move_on_after(float("inf") if seconds is None else seconds):
            return await self._connect(origin)
        raise httpx.ConnectTimeout(f"no connection to {origin} within {seconds:g} s")

    async def _connect(self, origin: Origin) -> Link:
        try:
            stream = await trio.open_tcp_stream(origin.host, origin.port)
        except OSError as error:  # of names too
            raise httpx.ConnectError(f"no connection to {origin}: {error}") from error
        plain = _bare(stream)
        if origin.scheme != "https":
            return plain
        link = TlsLink(plain, self._context(), origin.server_name or origin.host)
        try:
            await link.handshake()
        except (ssl.SSLError, trio.BrokenResourceError) as error:
            link.close()
            raise httpx.ConnectError(f"no TLS with {origin}: {error}") from error
        except BaseException:
            link.close()
            raise
        return link

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._new_tls()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _bare(stream: trio.SocketStream) -> PlainLink:
    """Return the socket of `stream` as a link. trio's stream has set `TCP_NODELAY`."""
    family, kind, protocol = stream.socket.family, stream.socket.type, stream.socket.proto
    sock = socket.socket(family, kind, protocol, fileno=stream.socket.detach())
    sock.setblocking(False)
    return PlainLink(sock)
