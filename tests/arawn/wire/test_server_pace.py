"""A slow side slows the other one down, and a quick one starves nobody."""

from __future__ import annotations

import trio
import trio.testing

from arawn.wire.asgi import Receive, Scope, Send
from tests.serving import respond, serving, talk

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_client_that_does_not_read_slows_the_application() -> None:
    """`send` waits for the reader: a stream cannot pile up in memory."""
    sent = 0

    async def app(_: Scope, __: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200})
        while sent < 64 * 2**20:
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
            sent += 2**16

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET)
        await stream.receive_some(1)
        await trio.testing.wait_all_tasks_blocked(0.1)

        assert 0 < sent < 64 * 2**20


async def test_an_application_that_does_not_read_slows_the_client() -> None:
    """A body is read from the socket only as the application asks for it."""

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        await trio.sleep_forever()

    async with serving(app) as served, await served.connect() as stream:
        sent = 0
        with trio.move_on_after(0.2) as scope:
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n")
            while sent < 30_000_000:
                await stream.send_all(bytes(100_000))
                sent += 100_000

    assert scope.cancelled_caught


async def count_turns(turns: list[int]) -> None:
    """Take every turn that the scheduler offers."""
    while True:
        turns[0] += 1
        await trio.lowlevel.checkpoint()


async def test_a_stream_that_never_waits_does_not_starve_others() -> None:
    """An application whose reader keeps up leaves a turn to the others after each piece."""
    turns = [0]
    taken: list[int] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        before = turns[0]
        for _piece in range(20):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        taken.append(turns[0] - before)
        await send({"type": "http.response.body"})

    async with serving(app) as served, trio.open_nursery() as nursery:
        nursery.start_soon(count_turns, turns)
        await talk(served, GET.replace(b"1.1", b"1.0"))
        nursery.cancel_scope.cancel()

    assert taken[0] >= 15  # the order within one round of the scheduler is random


async def test_requests_sent_ahead_do_not_starve_others() -> None:
    """A client that pipelines leaves a turn to the others after each of its requests."""
    turns = [0]
    seen: list[int] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        seen.append(turns[0])
        await respond(send, 200, b"")

    async with serving(app) as served, trio.open_nursery() as nursery:
        nursery.start_soon(count_turns, turns)
        await talk(served, GET * 20 + GET.replace(b"1.1", b"1.0"))
        nursery.cancel_scope.cancel()

    assert seen[-1] - seen[0] >= 15  # the order within one round of the scheduler is random
