"""The provider's edge, played: what an httpx transport returns or raises, and a peer on loopback for faults of sockets.

Both run on the virtual clock, in the loop of the test.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NoReturn

import httpx
import trio

Piece = bytes | float | Exception
"""Bytes that arrive, seconds that pass, or what the transport raises."""

FOREVER = float("inf")
OPENED = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Play:
    """What a transport does with each request; `before` happens ahead of the head."""

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    before: Sequence[Piece] = ()


class PlayedTransport(httpx.AsyncBaseTransport):
    """Plays to each request the same."""

    def __init__(self, play: Play) -> None:
        self.requests = 0
        self.open_bodies = 0
        self._play = play

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        for piece in self._play.before:
            await _pass(piece)
        self.open_bodies += 1
        body = _Body(self, self._play.pieces)
        return httpx.Response(self._play.status, headers=self._play.headers, stream=body)


class _Body(httpx.AsyncByteStream):
    def __init__(self, owner: PlayedTransport, pieces: Sequence[Piece]) -> None:
        self._owner = owner
        self._left = list(pieces)
        self._open = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        while self._left:
            data = await _pass(self._left.pop(0))
            if data:
                return data
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._owner.open_bodies -= self._open
        self._open = False


async def _pass(piece: Piece) -> bytes:
    if isinstance(piece, Exception):
        raise piece
    if isinstance(piece, float):
        await trio.sleep(piece)
        return b""
    return piece


@dataclass(frozen=True)
class Peer:
    """What a server on loopback does with each connection: `reads` the request or not, sends `raw`, and ends it.

    What comes `late` arrives apart from the rest.
    """

    raw: bytes = b""
    late: bytes = b""
    reads: bool = True
    reset: bool = False
    listens: bool = True
    tls: Callable[[], ssl.SSLContext] | None = None
    name: str = "127.0.0.1"
    scheme: str = "http"
    dribbles: bool = False


def with_length(body: bytes, length: int | None = None) -> bytes:
    """Return an answer that says `length` of its body, the true one by default."""
    said = len(body) if length is None else length
    return OPENED + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % said + body


def chunked(*pieces: bytes, end: bytes = b"") -> bytes:
    """Return a stream of events in chunks, which `end` completes."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return OPENED + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + framed + end


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[str]:
    """Run `peer` and yield its address."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = f"{peer.scheme}://{peer.name}:{listener.socket.getsockname()[1]}"
    if not peer.listens:
        await listener.aclose()
        yield address
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, _server(peer), [listener])
        yield address
        nursery.cancel_scope.cancel(reason="the test is over")


def _server(peer: Peer) -> Callable[[trio.SocketStream], Awaitable[None]]:
    async def serve(plain: trio.SocketStream) -> None:
        stream: trio.abc.Stream = plain
        if peer.tls is not None:
            stream = trio.SSLStream(plain, peer.tls(), server_side=True)
        try:
            if peer.reads:
                await _read_request(stream)
            await _send(stream, peer)
        except trio.BrokenResourceError:
            pass  # the client has left
        if peer.reset:
            plain.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plain.socket.close()
        await trio.aclose_forcefully(stream)

    return serve


async def _send(stream: trio.abc.Stream, peer: Peer) -> None:
    pieces = [peer.raw] if not peer.dribbles else [peer.raw[place : place + 1] for place in range(len(peer.raw))]
    for piece in pieces:
        await stream.send_all(piece)
        await trio.lowlevel.checkpoint()
    if peer.reset or peer.late:
        await trio.sleep(0.2)  # what was sent arrives apart, and ahead of a reset, which would throw it away
    await stream.send_all(peer.late)


async def _read_request(stream: trio.abc.Stream) -> None:
    arrived = b""
    while b"\r\n\r\n" not in arrived:
        arrived += await stream.receive_some() or _gone()
    head, _, body = arrived.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += await stream.receive_some() or _gone()


def _gone() -> NoReturn:
    raise trio.BrokenResourceError


class NoNames(trio.abc.HostnameResolver):
    """Knows no name."""

    async def getaddrinfo(self, *args: object, **kwargs: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    async def getnameinfo(self, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError
