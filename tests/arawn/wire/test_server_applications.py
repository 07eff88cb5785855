"""What an application may do and may do wrong."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.asgi import ClientLeft, Receive, Scope, Send
from tests.serving import read_all, read_response, respond, serving, serving_with_lifespan, talk

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def fail(_: Scope, __: Receive, ___: Send) -> None:
    raise ZeroDivisionError("secret detail")


async def say_nothing(_: Scope, __: Receive, ___: Send) -> None:
    pass


async def inject(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, 200, b"", [(b"x-a", b"1\r\nx-b: 2")])


async def promise_more(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, 200, b"abc", [(b"content-length", b"4")])


async def promise_twice(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, 200, b"abc", [(b"content-length", b"3"), (b"content-length", b"3")])


async def promise_oddly(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, 200, b"0123456789", [(b"content-length", b"1_0")])


async def begin_with_the_body(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.body", "body": b"abc"})


async def send_an_odd_status(_: Scope, __: Receive, send: Send) -> None:
    await respond(send, 199, b"")


@pytest.mark.parametrize(
    "app",
    [fail, say_nothing, inject, promise_more, promise_twice, promise_oddly, begin_with_the_body, send_an_odd_status],
)
async def test_a_faulty_application_is_a_500(app: object, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets JSON without details and a closed connection, the log says why, and the server goes on."""
    async with serving(app) as served:  # type: ignore[arg-type]
        answer = await talk(served, GET)
        again = await talk(served, GET)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["type"] == "internal_error"
    assert b"secret" not in answer
    assert again.startswith(b"HTTP/1.1 500 ")
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


async def test_a_fault_in_a_stream_cuts_it(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that breaks is closed without its end, so that the client cannot take it for whole."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise ZeroDivisionError

    async with serving(app) as served:
        answer = await talk(served, GET)

    assert answer.endswith(b"3\r\none\r\n")
    assert caplog.records


async def test_a_cut_that_looks_like_an_end_is_a_reset() -> None:
    """HTTP/1.0 has only the close to end a stream: one that broke is reset, so that it cannot pass for whole."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise ZeroDivisionError

    async with serving(app) as served:
        with pytest.raises(trio.BrokenResourceError):
            await talk(served, b"GET / HTTP/1.0\r\n\r\n")


async def test_a_task_left_behind_reaches_nobody() -> None:
    """After its application has returned, a task can neither send to the connection nor hear from it."""
    outcome: list[object] = []
    returned = trio.Event()

    async with trio.open_nursery() as nursery:

        async def linger(receive: Receive, send: Send) -> None:
            await returned.wait()
            await trio.testing.wait_all_tasks_blocked(0.01)
            outcome.append(await receive())
            with pytest.raises(ClientLeft):
                await send({"type": "http.response.start", "status": 200})
            outcome.append("told")

        async def app(_: Scope, receive: Receive, send: Send) -> None:
            nursery.start_soon(linger, receive, send)
            returned.set()

        async with serving(app) as served:
            answer = await talk(served, GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert outcome == [{"type": "http.disconnect"}, "told"]


async def test_two_tasks_cannot_send_at_once() -> None:
    """Bytes of two pieces are never mixed: the second sender is told while the first waits for the reader."""
    refused = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, {"type": "http.response.body", "body": bytes(50_000_000), "more_body": True})
            await trio.testing.wait_all_tasks_blocked(0.01)
            with pytest.raises(RuntimeError, match="another task"):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            refused.set()
            nursery.cancel_scope.cancel()

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET)
        await refused.wait()


async def test_a_path_cannot_forge_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the path as it was sent, where line breaks are still encoded."""
    async with serving(fail) as served:
        await talk(served, b"GET /a%0aforged HTTP/1.1\r\nHost: x\r\n\r\n")

    assert "`GET /a%0aforged`" in caplog.records[0].getMessage()


async def test_after_the_response_the_exchange_is_over() -> None:
    """`receive` says `http.disconnect` once the response is complete; more events are refused."""
    kinds: list[str] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, b"")
        kinds.append((await receive())["type"])
        with pytest.raises(RuntimeError, match="order"):
            await send({"type": "http.response.body", "body": b"more"})

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET)
        await read_response(stream, bytearray())

    assert kinds == ["http.disconnect"]


async def test_lifespan_starts_before_and_ends_after_the_requests() -> None:
    """An application with a lifespan is started first, its state reaches requests, and it is stopped last."""
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            story.append(f"request with {scope['state']['key']}")
            await respond(send, 200, b"")
            return
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["key"] = "value"
        story.append("start")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        story.append("stop")
        await send({"type": "lifespan.shutdown.complete"})

    async with serving_with_lifespan(app) as served:
        await talk(served, GET.replace(b"1.1", b"1.0"))
        served.stopping.set()
        await served.ended.wait()

    assert story == ["start", "request with value", "stop"]


async def test_framing_headers_are_the_servers_to_write() -> None:
    """An application's own `Connection: close` and `Date` count; its `Transfer-Encoding` does not."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        own = [(b"Connection", b"Close"), (b"Transfer-Encoding", b"gzip"), (b"Date", b"now")]
        await respond(send, 200, b"abc", own)

    async with serving(app) as served:
        answer = await talk(served, GET)

    head = answer.lower().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert sorted(head[1:]) == [b"connection: close", b"content-length: 3", b"date: now"]


async def test_an_application_may_stop_its_own_writing() -> None:
    """A write that was cancelled midway spoils the connection: it is closed, not used again."""
    cut = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        with trio.move_on_after(0.02):
            await send({"type": "http.response.body", "body": bytes(50_000_000)})
        cut.set()

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET + GET)
        await cut.wait()
        answer = b"".join([chunk async for chunk in stream])

    assert answer.count(b"HTTP/1.1 200") == 1
    assert len(answer) < 50_000_000


async def test_a_last_piece_cut_short_is_a_reset_for_an_old_client() -> None:
    """An answer whose last piece did not get out whole is not passed for whole, though the application said its end."""
    cut = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        with trio.move_on_after(0.02):
            await send({"type": "http.response.body", "body": bytes(50_000_000)})
        cut.set()

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
        await cut.wait()
        with pytest.raises(trio.BrokenResourceError):
            await read_all(stream)


async def test_a_framework_runs_on_it() -> None:
    """Starlette's streaming answers, which listen for the client beside their work, are served whole."""
    starlette = pytest.importorskip("starlette.applications")
    responses = pytest.importorskip("starlette.responses")
    routing = pytest.importorskip("starlette.routing")

    def stream(_: object) -> object:
        return responses.StreamingResponse(iter([b"one", b"two"]))

    app = starlette.Starlette(routes=[routing.Route("/", stream)])
    async with serving_with_lifespan(app) as served, httpx.AsyncClient() as client:
        answers = [await client.get(served.url) for _ in range(3)]

    assert [answer.content for answer in answers] == [b"onetwo"] * 3
