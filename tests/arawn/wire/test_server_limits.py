"""Every limit has its answer, and takes from nobody what is within it."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing

from arawn.wire.asgi import ClientLeft, Receive, Scope, Send
from arawn.wire.limits import Limits
from tests.serving import Served, echo, read_all, read_response, respond, serving, talk

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

SMALL = Limits(header_bytes=200, header_seconds=0.05, body_seconds=0.05, idle_seconds=0.05, linger_seconds=0.05)

BROKEN_LIMITS = {
    "headers too long": (HEAD + b"X-A: " + b"a" * 200 + b"\r\n\r\n", 431),
    "headers too long and endless": (HEAD + b"X-A: " + b"a" * 500, 431),
    "headers too slow": (b"GET / HTTP/1.1\r\nHos", 408),
    "body too slow": (HEAD + b"Content-Length: 5\r\n\r\nabc", 408),
    "chunked body too slow": (CHUNKED + b"3\r\nabc\r\n", 408),
    "trailers too long": (CHUNKED + b"0\r\n" + b"X-A: 1\r\n" * 1200, 431),
}


@pytest.mark.parametrize(("raw", "status"), BROKEN_LIMITS.values(), ids=BROKEN_LIMITS.keys())
async def test_every_limit_has_its_answer(raw: bytes, status: int) -> None:
    """A request beyond a limit gets its status with a reason, and the connection is closed."""
    async with serving(echo, SMALL) as served:
        answer = await talk(served, raw)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize(("count", "status"), [(254, 200), (255, 431)])
async def test_header_lines_are_counted(count: int, status: int) -> None:
    """Thousands of tiny headers fit into the bytes allowed; 256 lines are enough for anybody."""
    head = HEAD + b"Connection: close\r\n" + b"a:\r\n" * count
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, head + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_what_is_exactly_at_the_limit_passes() -> None:
    """The limits are inclusive."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\nX-A: "
    head += b"a" * (200 - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == 200
    async with serving(echo, SMALL) as served:
        answer = await talk(served, head + b"0123456789")

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_drips_does_not_extend_its_time() -> None:
    """The time for a body is one sum, however often a byte arrives."""
    async with serving(echo, SMALL) as served, await served.connect() as stream:
        answers: list[bytes] = []

        async def drip() -> None:
            await stream.send_all(HEAD + b"Content-Length: 10\r\n\r\n")
            for byte in b"0123456789":
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answers.append(await read_all(stream))
            nursery.cancel_scope.cancel()

    assert answers[0].startswith(b"HTTP/1.1 408 ")


async def test_headers_that_drip_do_not_extend_their_time() -> None:
    """The time for headers runs from their first byte, however many follow."""
    async with serving(echo, SMALL) as served, await served.connect() as stream:
        answers: list[bytes] = []

        async def drip() -> None:
            for byte in HEAD + b"X-A: " + b"a" * 100:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.005)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answers.append(await read_all(stream))
            nursery.cancel_scope.cancel()

    assert answers[0].startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_silent_connection_is_closed_without_a_word(first: bytes) -> None:
    """A connection on which no request begins is closed when its time is over."""
    async with serving(echo, SMALL) as served:
        answer = await talk(served, first)

    assert answer.count(b"HTTP/1.1") == (1 if first else 0)


@pytest.mark.parametrize(
    ("limits", "closed"),
    [(Limits(header_seconds=0.05, idle_seconds=9), False), (Limits(header_seconds=9, idle_seconds=0.05), True)],
)
async def test_after_its_first_request_a_connection_may_be_idle(limits: Limits, closed: bool) -> None:
    """A new connection must begin within the time for headers; a used one has the idle time."""
    async with serving(echo, limits) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"\r\n")
        await read_response(stream, bytearray())
        with trio.move_on_after(0.15) as scope:
            await stream.receive_some()

    assert scope.cancelled_caught is not closed


async def test_a_slow_application_does_not_use_up_the_clients_time() -> None:
    """The time for a body counts only while the server waits for the client."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await trio.sleep(0.1)
        await receive()
        await respond(send, 200, b"")

    async with serving(app, SMALL) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"Connection: close\r\nContent-Length: 6\r\n\r\nabc")
        await trio.sleep(0.02)
        await stream.send_all(b"def")
        answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_does_not_read_cannot_hold_a_call() -> None:
    """When nothing of the answer is taken for the time allowed, the application hears `ClientLeft` and is freed."""
    freed = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        with pytest.raises(ClientLeft, match=r"0\.05 seconds"):
            await respond(send, 200, bytes(50_000_000))
        freed.set()

    async with serving(app, Limits(write_seconds=0.05)) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"\r\n")
        with trio.fail_after(1):
            await freed.wait()


async def test_a_slow_reader_is_given_its_time() -> None:
    """The time for writing begins anew whenever the client takes something."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, bytes(8_000_000))

    async with serving(app, Limits(write_seconds=0.2)) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"Connection: close\r\n\r\n")
        began, size = trio.current_time(), 0
        while data := await stream.receive_some(200_000):
            size += len(data)
            await trio.sleep(0.01)

    assert trio.current_time() - began > 0.3
    assert size > 8_000_000


async def test_connections_beyond_the_limit_are_turned_away() -> None:
    """The one too many is answered 503 and closed; a place that becomes free can be taken."""
    limits = Limits(connections=2, linger_seconds=0.01)
    async with serving(echo, limits) as served:
        first, second = await served.connect(), await served.connect()
        for stream in (first, second):
            await stream.send_all(HEAD + b"Content-Length: 1\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)

        refused = await talk(served, b"")
        await first.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        served_again = await talk(served, HEAD + b"Connection: close\r\n\r\n")
        await second.aclose()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert served_again.startswith(b"HTTP/1.1 200 ")


async def test_a_crowd_is_refused_to_the_last_client() -> None:
    """More at once than are given time to read why: each has its 503, though nobody waits for it to go."""
    answers: list[bytes] = []

    async def ask(served: Served) -> None:
        async with await served.connect() as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await read_all(stream))

    async with serving(echo, Limits(connections=1)) as served, await served.connect() as busy:
        await busy.send_all(HEAD + b"Content-Length: 1\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(ask, served)

    assert len(answers) == 300
    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 503 "}
