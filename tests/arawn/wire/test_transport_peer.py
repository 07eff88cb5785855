"""A scripted server for the tests of transports, and the two transports under test. Holds no tests itself."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from arawn.wire.transport import Transport, TransportLimits

PATIENCE = 5.0
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire:
    """The server's end of one connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            data = await self.stream.receive_some()
            if not data:
                raise trio.BrokenResourceError("the client has left")
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    async def head(self) -> bytes:
        return await self.read_until(b"\r\n\r\n")

    async def request(self) -> bytes:
        """Read one request, its body as it was coded."""
        head = await self.head()
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length:
            while len(self.buffer) < int(length[1]):
                self.buffer += await self.stream.receive_some() or b"\0" * int(length[1])
            body, self.buffer = self.buffer[: int(length[1])], self.buffer[int(length[1]) :]
        else:
            body = await self.read_until(b"0\r\n\r\n") if b"chunked" in head else b""
        return head + body

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def closed(self) -> None:
        """Wait until the client closes."""
        while await self.stream.receive_some():
            pass

    def reset(self) -> None:
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


Script = Callable[[Wire], Awaitable[object]]


class Peer:
    """A server on loopback whose every connection plays the same script, then closes."""

    def __init__(self, script: Script) -> None:
        self.port = 0
        self.connections = 0
        self.script = script
        self.scope = trio.CancelScope()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with stream:
            try:
                await self.script(Wire(stream))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # the client has left, or the script has closed


@asynccontextmanager
async def peer(script: Script) -> AsyncIterator[Peer]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    served = Peer(script)
    served.port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, served.serve, listeners)
            yield served
            nursery.cancel_scope.cancel(reason="the test is over")


def answering(*answers: bytes) -> Script:
    """Answer the requests of a connection one after another, the last answer again and again; then close."""

    async def script(wire: Wire) -> None:
        left = list(answers)
        while True:
            await wire.request()
            await wire.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def once(answer: bytes) -> Script:
    """Answer one request, then close."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer)

    return script


def stock(limit: int | None = 100) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=limit, keepalive_expiry=5))


def ours(limit: int | None = 100) -> httpx.AsyncBaseTransport:
    return Transport(TransportLimits(connections=limit))


Make = Callable[..., httpx.AsyncBaseTransport]

leaves_generators = pytest.mark.filterwarnings(
    "ignore:Async generator:ResourceWarning", "ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning"
)
"""httpx wraps bodies in generators that a failed request leaves to the garbage collector."""


both = pytest.mark.parametrize("make", [ours, stock])


@asynccontextmanager
async def client_of(make: Make, limit: int | None = 100, **timeouts: float | None) -> AsyncIterator[httpx.AsyncClient]:
    timeout = httpx.Timeout(None, **timeouts)
    async with httpx.AsyncClient(transport=make(limit), timeout=timeout) as client:
        yield client


async def ask(make: Make, script: Script, *, read: float | None = None) -> httpx.Response:
    fault: httpx.HTTPError
    async with peer(script) as served, client_of(make, read=read) as client:
        try:
            return await client.get(served.url)
        except httpx.HTTPError as error:  # raised below, outside the nursery and its groups
            fault = error
    raise fault


async def words() -> AsyncIterator[bytes]:
    for word in (b"one", b"", b"three"):
        await trio.lowlevel.checkpoint()
        yield word


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"


@asynccontextmanager
async def opened(script: Script, **limits: float) -> AsyncIterator[tuple[Peer, Transport]]:
    async with peer(script) as served, Transport(TransportLimits(**limits)) as transport:  # type: ignore[arg-type]
        yield served, transport


def get(served: Peer, **timeouts: float) -> httpx.Request:
    return httpx.Request("GET", served.url, extensions={"timeout": timeouts})


async def body_of(response: httpx.Response) -> bytes:
    return b"".join([piece async for piece in response.aiter_raw()])
