"""Cancelled at any step, a request leaves nothing behind that another could stumble over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from actors.testing import AtStep, step_sweep
from arawn.wire.client_request import Content
from arawn.wire.transport import Transport, TransportLimits
from tests.arawn.wire.test_transport_peer import Wire, peer

NUMBERED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def numbered(wire: Wire) -> None:
    """Answer with the request's own target, slowly and in pieces."""
    while True:
        target = (await wire.head()).split(b" ")[1]
        body = await wire.read_until(b"end")
        await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await trio.sleep(0.1)
        await wire.send(NUMBERED + b"%x\r\n%b\r\n" % (len(target), target))
        await trio.sleep(0.1)
        await wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(str(len(body))), str(len(body)).encode()))


class Pieces(httpx.AsyncByteStream):
    """A body that takes its time, and many sends."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._left = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        await trio.sleep(0.05)
        return self._left.pop(0)


async def talk(transport: Transport, url: str, number: int, body: httpx.AsyncByteStream, length: int) -> None:
    headers = {"host": "h", "content-length": str(length)}
    target = httpx.URL(f"{url}{number}")
    request = httpx.Request(
        "POST", target, headers=headers, stream=body, extensions={"timeout": {"connect": 5.0, "pool": 9.0, "read": 9.0}}
    )
    response = await transport.handle_async_request(request)
    try:
        answer = b"".join([piece async for piece in response.stream])  # type: ignore[union-attr]
    finally:
        await response.aclose()
    assert answer == f"/{number}{length}".encode()


@pytest.mark.parametrize("task", ["client", "rival"])
@pytest.mark.parametrize("limit", [1, 2])
def test_a_request_may_be_cancelled_at_any_step(task: str, limit: int) -> None:
    """The rival still gets its own answers, later requests too, and no connection stays in use."""

    async def scenario(at_step: AtStep) -> None:
        scopes = {"client": trio.CancelScope(), "rival": trio.CancelScope()}
        at_step.action = scopes[task].cancel
        transport = Transport(TransportLimits(connections=limit))
        answered: list[str] = []

        async def calls(first: int, name: str) -> None:
            with scopes[name]:
                await talk(transport, served.url, first, Content(b"small end"), 9)
                await talk(transport, served.url, first + 1, Pieces([b"slow", b" ", b"end"]), 8)
                await talk(transport, served.url, first + 2, Content(b"x" * 100_000 + b"end"), 100_003)
            if not scopes[name].cancelled_caught:
                answered.append(name)

        async with peer(numbered) as served:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(calls, 10, "client", name="client")
                nursery.start_soon(calls, 20, "rival", name="rival")
            assert "0 busy, 0 connecting" in repr(transport)
            assert "0 waiting" in repr(transport)
            for number in range(30, 33):
                await talk(transport, served.url, number, Content(b"end"), 3)
            await transport.aclose()
        assert {"client", "rival"} - {task} <= set(answered)

    assert step_sweep(scenario, task=task) > 10
