"""What our transport alone promises of a request and its answer."""

from __future__ import annotations

import gc
import itertools

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.client_request import Content
from arawn.wire.transport import Transport
from tests.arawn.wire.test_transport_peer import HALF, OK, Wire, answering, body_of, get, once, opened


async def test_a_small_answer_frees_its_connection_at_once() -> None:
    """Even if nobody ever reads or closes it."""
    async with opened(answering(OK), connections=1) as (served, transport):
        responses = [await transport.handle_async_request(get(served)) for _ in range(3)]

        assert [await body_of(response) for response in responses] == [b"ok"] * 3
        assert served.connections == 1


@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
async def test_a_forgotten_answer_frees_its_place_when_it_is_collected() -> None:
    """It warns, its connection is closed, and the next request is served."""
    async with opened(answering(HALF), connections=1) as (served, transport):
        response = await transport.handle_async_request(get(served))
        del response
        gc.collect()

        again = await transport.handle_async_request(get(served, pool=1.0))
        await again.aclose()
        assert served.connections == 2


async def test_bytes_after_an_answer_cost_the_connection() -> None:
    """Nobody asked for them; they are never taken for the next answer."""
    surplus = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    for answer in (OK, chunked, b"HTTP/1.1 204 No\r\n\r\n"):
        for late in (b"", surplus, b"\r\n"):
            async with opened(answering(answer + late)) as (served, transport):
                for _ in range(2):
                    response = await transport.handle_async_request(get(served))
                    assert await body_of(response) in (b"ok", b"")
                assert served.connections == (2 if late else 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\nx: 1\n\n",
        b"HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx : 1\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"\r\n" + OK,
        b"\x15\x03\x01\x00\x02\x02\x16",
    ],
)
async def test_an_ambiguous_answer_is_refused(answer: bytes) -> None:
    """Two readers could differ about where it ends, so there is no reading it."""
    async with opened(once(answer)) as (served, transport):
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(get(served))
        assert "0 busy, 0 connecting, 0 idle" in repr(transport)


async def test_heads_without_end_are_refused() -> None:
    """One that never ends, and informational ones without number."""

    async def endless_head(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\n")
        for number in itertools.count():
            await wire.send(b"x-%d: y\r\n" % number)

    async def endless_heads(wire: Wire) -> None:
        while True:
            await wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    for script in (endless_head, endless_heads):
        async with opened(script, head_bytes=10_000) as (served, transport):
            with pytest.raises(httpx.RemoteProtocolError, match="longer than"):
                await transport.handle_async_request(get(served))


async def test_a_broken_body_stays_broken() -> None:
    """Nothing makes a cut answer look like a whole one, not even asking again."""
    async with opened(once(HALF)) as (served, transport):
        response = await transport.handle_async_request(get(served))
        pieces = aiter(response.stream)  # type: ignore[arg-type]

        assert await anext(pieces) == b"half"
        with pytest.raises(httpx.RemoteProtocolError, match="4 of 9 bytes came"):
            await anext(pieces)
        for _ in range(2):
            with pytest.raises(httpx.ReadError, match="broke off earlier"):
                await anext(pieces)


async def test_a_closed_answer_cannot_be_read() -> None:
    """As httpx has it."""
    async with opened(answering(HALF)) as (served, transport):
        response = await transport.handle_async_request(get(served))
        await response.aclose()

        with pytest.raises(httpx.StreamClosed):
            await anext(aiter(response.stream))  # type: ignore[arg-type]


async def test_closing_ends_what_is_in_flight() -> None:
    """A reader in the middle of a body gets an error; later requests are refused."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(HALF)
        await wire.closed()

    async with opened(script) as (served, transport):
        response = await transport.handle_async_request(get(served))
        pieces = aiter(response.stream)  # type: ignore[arg-type]
        await anext(pieces)

        async def read_on() -> None:
            with pytest.raises(httpx.ReadError, match="closed"):
                await anext(pieces)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_on)
            await trio.testing.wait_all_tasks_blocked()
            await transport.aclose()
        with pytest.raises(httpx.ConnectError, match="has been closed"):
            await transport.handle_async_request(get(served))
        assert "0 busy, 0 connecting, 0 idle" in repr(transport)


async def test_a_slow_reader_slows_the_server() -> None:
    """What is not read stays with the server: the body is not gathered in memory."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\ncontent-length: 200000000\r\n\r\n")
        for _ in range(2000):
            await wire.send(b"x" * 100_000)
            sent += 100_000

    async with opened(script) as (served, transport):
        response = await transport.handle_async_request(get(served))
        await trio.testing.wait_all_tasks_blocked(0.02)

        assert 0 < sent < 50_000_000
        await response.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "5"},
        {"host": "h", "content-length": "5", "transfer-encoding": "chunked"},
        {"host": "h", "transfer-encoding": "gzip"},
        {"host": "h", "content-length": "-5"},
        {"host": "h"},
    ],
)
async def test_a_request_must_say_where_its_body_ends(headers: dict[str, str]) -> None:
    """Once, and for which host it is."""
    async with Transport() as transport:
        request = httpx.Request("POST", "http://127.0.0.1/", headers=headers, stream=Content(b"hello"))
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)


async def test_tunnels_are_not_ours() -> None:
    """Proxies are for the stock transport."""
    async with Transport() as transport:
        with pytest.raises(httpx.LocalProtocolError, match="CONNECT"):
            await transport.handle_async_request(httpx.Request("CONNECT", "http://127.0.0.1/"))
