"""What our transport alone promises of the sending: once, together, and no longer than it is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.client_link import PlainLink
from arawn.wire.client_request import Content
from tests.arawn.wire.test_transport_peer import OK, Wire, answering, body_of, get, once, opened


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_is_sent_again_if_nothing_of_it_was_sent(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The idle connection was reset in the very moment after the look at it."""
    seen: list[bytes] = []
    gone = trio.Event()

    async def script(wire: Wire) -> None:
        seen.append(await wire.request())
        await wire.send(OK)
        await trio.testing.wait_all_tasks_blocked(0.01)
        wire.reset()
        gone.set()

    async with opened(script) as (served, transport):
        for _ in range(2):
            request = httpx.Request(method, served.url, content=b"hello")
            response = await transport.handle_async_request(request)
            assert await body_of(response) == b"ok"
            await gone.wait()
            monkeypatch.setattr(PlainLink, "has_input", lambda link: False)

        assert len(seen) == served.connections == 2
        assert seen[0] == seen[1]


async def test_a_request_that_was_sent_is_never_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closed in the moment after the look: it may or may not have seen the request."""
    monkeypatch.setattr(PlainLink, "has_input", lambda link: False)
    async with opened(once(OK)) as (served, transport):
        await transport.handle_async_request(get(served))
        await trio.testing.wait_all_tasks_blocked()

        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await transport.handle_async_request(get(served))
        assert served.connections == 1
        assert (await transport.handle_async_request(get(served))).status_code == 200


async def test_a_request_of_which_a_part_was_sent_is_never_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may have acted on that part."""

    async def breaking(link: PlainLink, data: bytes) -> None:
        link._try_send(data[:5])
        raise trio.BrokenResourceError("in the middle")

    async with opened(answering(OK)) as (served, transport):
        await transport.handle_async_request(get(served))
        monkeypatch.setattr(PlainLink, "send", breaking)

        with pytest.raises(httpx.ReadTimeout):
            await transport.handle_async_request(get(served, read=0.05))
        assert served.connections == 1


async def test_a_send_cancelled_half_way_costs_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server waits for the rest of that request, and must not get another one for it."""

    async def stuck(link: PlainLink, data: bytes) -> None:
        link._try_send(data[:5])
        await trio.sleep_forever()

    async with opened(answering(OK)) as (served, transport):
        with monkeypatch.context() as patched, trio.move_on_after(0.05):
            patched.setattr(PlainLink, "send", stuck)
            await transport.handle_async_request(get(served))

        assert "0 busy, 0 connecting, 0 idle" in repr(transport)
        assert (await transport.handle_async_request(get(served))).status_code == 200


async def test_a_server_that_breaks_off_ends_the_sending() -> None:
    """Its fault comes out as it is, not in a group."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"SSH-2.0-x\r\n")
        await trio.sleep_forever()

    async with opened(script) as (served, transport):
        with pytest.raises(httpx.RemoteProtocolError, match="not HTTP"):
            await transport.handle_async_request(httpx.Request("POST", served.url, content=b"x" * 20_000_000))


async def test_a_refusal_ends_the_sending() -> None:
    """A server that answers 413 and reads no further is heard at once."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await trio.sleep_forever()

    async with opened(script) as (served, transport):
        for request in (
            httpx.Request("POST", served.url, content=b"x" * 20_000_000),
            httpx.Request("POST", served.url, headers={"host": "h", "transfer-encoding": "chunked"}, stream=Endless()),
        ):
            response = await transport.handle_async_request(request)
            assert (response.status_code, await body_of(response)) == (413, b"big")
        assert served.connections == 2
        assert "0 busy, 0 connecting, 0 idle" in repr(transport)


class Endless(httpx.AsyncByteStream):
    """A body without an end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return b"x" * 100_000


async def test_a_small_body_travels_with_its_head() -> None:
    """One send, one packet: the server needs no second look."""
    firsts: list[bytes] = []

    async def script(wire: Wire) -> None:
        for _ in range(2):
            firsts.append(await wire.stream.receive_some())
            await wire.send(OK)

    async with opened(script) as (served, transport):
        for body in (
            {"content": b"hello"},
            {"stream": Content(b"hello"), "headers": {"host": "h", "content-length": "5"}},
        ):
            await transport.handle_async_request(httpx.Request("POST", served.url, **body))

    assert all(first.endswith(b"\r\n\r\nhello") for first in firsts)
