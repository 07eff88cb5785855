"""How our transport and httpx's stock one fail: alike."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import h11
import httpx
import pytest
import trio
import trio.testing

from tests.arawn.wire.test_transport_peer import (
    OK,
    Make,
    Wire,
    answering,
    ask,
    both,
    client_of,
    leaves_generators,
    once,
    peer,
    words,
)

pytestmark = both


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-le", httpx.RemoteProtocolError),
        (b"SSH-2.0-x\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", httpx.RemoteProtocolError),
    ],
)
async def test_a_broken_answer_is_an_error(make: Make, answer: bytes, error: type[Exception]) -> None:
    """It is never handed on as a whole one."""
    with pytest.raises(error):
        await ask(make, once(answer))


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_a_reset_is_a_read_error(make: Make, before: bytes) -> None:
    """Before the answer and in the middle of it."""

    async def script(wire: Wire) -> None:
        await wire.request()
        if before:
            await wire.send(before)
            await trio.testing.wait_all_tasks_blocked(0.01)
        wire.reset()

    with pytest.raises(httpx.ReadError):
        await ask(make, script)


async def test_nobody_listening_is_a_connect_error(make: Make) -> None:
    """The cause is attached."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with client_of(make) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get(f"http://127.0.0.1:{port}/")

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
async def test_silence_is_a_read_timeout(make: Make, sent: bytes) -> None:
    """Before the answer and in the middle of it."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(sent)
        await wire.closed()

    with pytest.raises(httpx.ReadTimeout):
        await ask(make, script, read=0.05)


@leaves_generators
async def test_a_server_that_does_not_read_is_a_write_timeout(make: Make) -> None:
    """The body does not fit into what the network holds."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await trio.sleep_forever()

    async with peer(script) as served, client_of(make, write=0.1) as client:
        with pytest.raises(httpx.WriteTimeout):
            await client.post(served.url, content=b"x" * 20_000_000)


async def test_a_handshake_that_stalls_is_a_connect_timeout(make: Make) -> None:
    """TLS is a part of connecting."""
    async with peer(Wire.closed) as served, client_of(make, connect=0.1) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(served.url.replace("http:", "https:"))


async def test_a_wait_for_a_connection_is_a_pool_timeout(make: Make) -> None:
    """With one connection allowed and in use; afterwards it serves again."""
    body = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"
    async with peer(once(body)) as served, client_of(make, limit=1, pool=0.05) as client:
        async with client.stream("GET", served.url):
            with pytest.raises(httpx.PoolTimeout):
                await client.get(served.url)
        served.script = once(OK)

        assert (await client.get(served.url)).content == b"ok"


@pytest.mark.parametrize(
    ("headers", "method"),
    [
        ({"x": "a\r\ny: b"}, "GET"),
        ({"x": "a\nb"}, "GET"),
        ({"x": "a\0b"}, "GET"),
        ({"x y": "a"}, "GET"),
        ({"x:": "a"}, "GET"),
        ({}, "GE T"),
        ({}, "GET / HTTP/1.1\r\n"),
    ],
)
async def test_a_request_cannot_smuggle_another(make: Make, headers: dict[str, str], method: str) -> None:
    """Line breaks and their like are refused before anything is sent, and the value is not quoted."""
    async with peer(answering(OK)) as served, client_of(make) as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.request(method, served.url, headers=headers)

        assert (await client.get(served.url)).content == b"ok"


@leaves_generators
@pytest.mark.parametrize("length", [3, 20])
async def test_a_body_of_another_length_than_declared_is_refused(make: Make, length: int) -> None:
    """Neither more nor less is sent, and the connection is not used again."""
    async with peer(answering(OK)) as served, client_of(make) as client:
        with pytest.raises((httpx.LocalProtocolError, h11.LocalProtocolError)):  # the stock one lets h11's own through
            await client.post(served.url, content=words(), headers={"content-length": str(length)})

        assert (await client.get(served.url)).content == b"ok"
        assert served.connections == 2


async def test_other_schemes_are_refused(make: Make) -> None:
    """`http` and `https` are spoken."""
    async with make() as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await transport.handle_async_request(httpx.Request("GET", "ftp://127.0.0.1/"))


@leaves_generators
async def test_a_fault_of_the_body_is_the_callers_own(make: Make) -> None:
    """What the iterator raises comes out as it is, and the connection is not used again."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise RuntimeError("mine")

    async with peer(answering(OK)) as served, client_of(make) as client:
        with pytest.raises(RuntimeError, match="mine"):
            await client.post(served.url, content=failing())

        assert (await client.get(served.url)).content == b"ok"
        assert served.connections == 2
