"""An httpx transport for HTTP/1.1 on trio: what carries the requests of a backend.

It plugs into httpx where `httpx.AsyncHTTPTransport` does: `httpx.AsyncClient(transport=Transport())`. A hot path calls
`handle_async_request` with an `httpx.Request` of its own and spares itself the client.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
import msgspec
import trio

from arawn.wire.client_body import BodyDecoder, open_decoder
from arawn.wire.client_connection import ClientConnection
from arawn.wire.client_head import ResponseHead
from arawn.wire.client_request import Content, Outgoing, open_outgoing
from arawn.wire.client_upload import Upload
from arawn.wire.connect import Connector, Origin, default_tls
from arawn.wire.connection_pool import ConnectionPool

__all__ = ["Transport", "TransportLimits"]

_PORTS = {"http": 80, "https": 443}
_NO_TIMEOUTS: Mapping[str, float | None] = {}


class TransportLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the transport keeps open and reads; every default stands here.

    Attributes:
        connections: At once to one origin, idle ones included; None for no limit. Further requests wait their turn.
        idle_seconds: A connection idle for longer is not used again. Should be less than what servers grant.
        head_bytes: Longest response head, informational responses counted in.
    """

    connections: int | None = 100
    idle_seconds: float = 5.0
    head_bytes: int = 64 * 1024


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over TCP and TLS; for proxies, HTTP/2 and Unix sockets take `httpx.AsyncHTTPTransport`.

    A request is sent a second time only if the connection it was given, one used before, was gone before it took a
    single byte of it. After that nobody can know what the server did with it: the caller gets the error, and decides.

    Time-outs come with the request, as httpx's client writes them into `extensions["timeout"]`: `pool` (the wait for a
    connection), `connect` (name, TCP and TLS together), `write` (each piece of the request) and `read` (each wait for
    bytes).
    """

    def __init__(
        self, limits: TransportLimits | None = None, *, tls: Callable[[], ssl.SSLContext] = default_tls
    ) -> None:
        """Begin without connections.

        Args:
            limits: What to keep open and to read; the defaults if None.
            tls: Gives the context for `https`; called at the first need.
        """
        self._limits = limits or TransportLimits()
        self._connector = Connector(tls)
        self._pools: dict[tuple[object, ...], ConnectionPool] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<Transport {', '.join(map(repr, self._pools.values())) or 'without connections'}>"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return its answer, the body still to be read.

        A body that has arrived together with its head is held in memory and its connection is free at once. Any other
        keeps its connection until it has been read to the end or closed; one that is neither keeps it until garbage
        collection, and while `limits.connections` are kept that way, further requests wait (bound by `pool`).

        Args:
            request: Must have a `Host` header, and `Content-Length` or `Transfer-Encoding` if it has a body, as all
                requests have that httpx builds from `content=`.

        Raises:
            httpx.PoolTimeout, httpx.ConnectTimeout, httpx.ConnectError: Nothing was sent.
            httpx.UnsupportedProtocol, httpx.LocalProtocolError: The request is at fault.
            httpx.WriteTimeout, httpx.ReadTimeout, httpx.ReadError: The connection broke; the server may have acted.
            httpx.RemoteProtocolError: The same, or the answer is not valid HTTP/1.1.
            Exception: Whatever the request's body raises.

        Checkpoint: always. If cancelled: the connection is closed; the server may have got all, a part, or nothing.
        """
        outgoing = open_outgoing(request)
        pool = self._pool(request)
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", _NO_TIMEOUTS)
        connection, complete = await self._begin(pool, outgoing, timeouts)
        try:
            head = None
            if outgoing.rest is not None:
                upload = Upload(connection, outgoing, timeouts.get("write"))
                head, complete = await upload.send(outgoing.rest), upload.complete
            if head is None:
                head = await connection.read_head(outgoing.method, timeouts.get("read"))
            stream = self._body(pool, connection, head, timeouts, reusable=complete and outgoing.keep_alive)
        except BaseException:
            pool.retire(connection)
            raise
        extensions = {"http_version": head.version, "reason_phrase": head.reason}
        response = httpx.Response(head.status, headers=head.headers, stream=stream, extensions=extensions)
        if head.ascii:
            response.headers.encoding = "ascii"  # to find that out httpx would decode them all
        return response

    async def aclose(self) -> None:
        """Close every connection; requests in flight fail.

        Checkpoint: always. If cancelled: everything is closed all the same.
        """
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        await trio.lowlevel.checkpoint()

    async def _begin(
        self, pool: ConnectionPool, outgoing: Outgoing, timeouts: Mapping[str, float | None]
    ) -> tuple[ClientConnection, bool]:
        """Send the first bytes; return the connection that took them, and whether it took all.

        A connection that breaks after the first byte is not an error yet: the server may have answered before it
        closed, which the next read finds out.
        """
        retries = 1
        while True:
            connection = await pool.acquire(timeouts.get("pool"), timeouts.get("connect"))
            before = connection.link.bytes_sent
            try:
                await connection.send(outgoing.first, timeouts.get("write"))
            except httpx.WriteError:
                if connection.link.bytes_sent > before or not connection.reused or not retries:
                    return connection, False
                pool.retire(connection)
                retries -= 1
            except BaseException:
                pool.retire(connection)
                raise
            else:
                return connection, True

    def _body(
        self,
        pool: ConnectionPool,
        connection: ClientConnection,
        head: ResponseHead,
        timeouts: Mapping[str, float | None],
        *,
        reusable: bool,
    ) -> httpx.AsyncByteStream:
        """Return the body that follows `head`, and let go of the connection if all of it is here."""
        arrived = connection.take_buffered()
        reusable = reusable and head.keep_alive
        if isinstance(head.framing, int) and len(arrived) >= head.framing:
            settle = pool.give_back if reusable and len(arrived) == head.framing else pool.retire
            settle(connection)
            return Content(arrived[: head.framing])
        decoder = open_decoder(head.framing)
        return _ResponseBody(pool, connection, decoder, arrived, timeouts.get("read"), reusable=reusable)

    def _pool(self, request: httpx.Request) -> ConnectionPool:
        url, server_name = request.url, request.extensions.get("sni_hostname")
        key = (url.raw_scheme, url.raw_host, url.port, server_name)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._open_pool(_origin(url, server_name))
        return pool

    def _open_pool(self, origin: Origin) -> ConnectionPool:
        limits = self._limits

        async def connect(seconds: float | None) -> ClientConnection:
            return ClientConnection(await self._connector.connect(origin, seconds), limits.head_bytes)

        pool = ConnectionPool(str(origin), connect, limit=limits.connections, idle_seconds=limits.idle_seconds)
        if self._closed:
            pool.close()
        return pool


def _origin(url: httpx.URL, server_name: str | None) -> Origin:
    if url.scheme not in _PORTS:
        raise httpx.UnsupportedProtocol(
            f"the request's address has the scheme {url.scheme!r}; `http://` and `https://` are spoken here"
        )
    if not url.host:
        raise httpx.UnsupportedProtocol("the request's address names no host")
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme], server_name)


class _ResponseBody(httpx.AsyncByteStream):
    """A body still to come: each step reads what the server has sent by then. The connection goes back at its end."""

    def __init__(
        self,
        pool: ConnectionPool,
        connection: ClientConnection,
        decoder: BodyDecoder,
        arrived: bytes,
        seconds: float | None,
        *,
        reusable: bool,
    ) -> None:
        self._pool = pool
        self._connection: ClientConnection | None = connection
        self._decoder = decoder
        self._arrived = arrived
        self._seconds = seconds
        self._reusable = reusable
        self._broken = False

    def __del__(self) -> None:
        """Free the place of a response that somebody forgot."""
        if self._connection is not None:
            self._pool.retire_soon(self._connection)
            warnings.warn(
                "a response was neither read to its end nor closed", ResourceWarning, stacklevel=2, source=self
            )

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return the next content.

        Raises:
            httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError: The body broke off.
            httpx.StreamClosed: It was closed before its end.

        Checkpoint: only when it has to wait. If cancelled: the connection is closed, the rest of the body lost.
        """
        piece = b""
        while not piece:
            if self._decoder.done:
                raise StopAsyncIteration
            if self._broken:
                raise httpx.ReadError("the answer broke off earlier; the rest of it is lost")
            if self._connection is None:
                raise httpx.StreamClosed
            try:
                piece = await self._next(self._connection)
            except BaseException:
                self._broken = True
                self._settle(clean=False)
                raise
        return piece

    async def _next(self, connection: ClientConnection) -> bytes:
        data, self._arrived = self._arrived or await connection.receive(self._seconds), b""
        piece = b""
        if data:
            piece = self._decoder.feed(data)
        else:
            self._decoder.end()
        if self._decoder.done:
            self._settle(clean=not self._decoder.surplus)
        return piece

    async def aclose(self) -> None:
        """Let go of the connection: closed, if the body has not been read to its end.

        Checkpoint: never.
        """
        self._settle(clean=False)

    def _settle(self, *, clean: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if clean and self._reusable:
            self._pool.give_back(connection)
        else:
            self._pool.retire(connection)
