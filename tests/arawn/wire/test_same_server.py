"""What our server and hypercorn's trio worker both do: one suite over the two."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.asgi import Event, Receive, Scope, Send
from tests.arawn.wire.two_servers import GET, LAST, POST, Serving, needs_hypercorn, serving_with
from tests.serving import echo, http_only, read_body, read_response, respond


async def measured_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """`echo` with a content-length: ours adds one to an answer in one piece, hypercorn sends that in chunks."""
    start: list[Event] = []

    async def send_measured(event: Event) -> None:
        if event["type"] == "http.response.start":
            start.append(event)
            return
        length = (b"content-length", b"%d" % len(event["body"]))
        await send({**start[0], "headers": [*start[0]["headers"], length]})
        await send(event)

    await echo(scope, receive, send_measured)


@pytest.fixture(params=["ours", pytest.param("hypercorn", marks=needs_hypercorn)])
def serving(request: pytest.FixtureRequest) -> Serving:
    """Opens the server under test."""
    return partial(serving_with, request.param)


async def test_a_request_reaches_the_application(serving: Serving) -> None:
    """Method, decoded path, query, headers and body are what the client sent."""
    async with serving(http_only(echo)) as door, httpx.AsyncClient() as client:
        response = await client.post(f"{door.url}/caf%C3%A9?x=1&y=%20", content=b"hello", headers={"X-One": "1"})

    seen = response.json()
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/café", "x=1&y=%20", "hello")
    assert ["x-one", "1"] in seen["headers"]
    assert response.headers["content-type"] == "application/json"


async def test_the_scope_is_the_same(serving: Serving) -> None:
    """An application that runs on one finds what it needs on the other."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await measured_echo(scope, receive, send)

    async with serving(http_only(app)) as door, await door.connect() as stream:
        await stream.send_all(b"GET /a%2fb?c HTTP/1.1\r\nHost: x\r\n\r\n")
        await read_response(stream, bytearray())
        own = stream.socket.getsockname()

    scope = scopes[-1]
    assert (scope["type"], scope["asgi"]["version"], scope["http_version"]) == ("http", "3.0", "1.1")
    assert (scope["method"], scope["scheme"], scope["root_path"]) == ("GET", "http", "")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a/b", b"/a%2fb", b"c")
    assert scope["headers"] == [(b"host", b"x")]
    assert (scope["client"], scope["server"]) == (own, ("127.0.0.1", door.port))
    assert scope["state"] == {}


async def test_pipelined_requests_are_answered_in_order(serving: Serving) -> None:
    """Requests sent ahead wait their turn, also behind one with a body."""
    async with serving(http_only(measured_echo)) as door, await door.connect() as stream:
        await stream.send_all(GET + POST + b"Content-Length: 3\r\n\r\nabc" + LAST)
        buffer = bytearray()
        bodies = [(await read_response(stream, buffer))[1] for _ in range(3)]

    assert [json.loads(body)["path"] for body in bodies] == ["/a", "/b", "/last"]


async def test_a_body_is_invited(serving: Serving) -> None:
    """`Expect: 100-continue` is answered before the final response."""
    async with serving(http_only(measured_echo)) as door, await door.connect() as stream:
        await stream.send_all(POST + b"Expect: 100-continue\r\nContent-Length: 6\r\n\r\n")
        invited = await stream.receive_some()
        await stream.send_all(b"abcdef")
        status, body = await read_response(stream, bytearray())

    assert invited.startswith(b"HTTP/1.1 100 ")
    assert (status, json.loads(body)["body"]) == (200, "abcdef")


async def test_a_stream_is_not_held_back(serving: Serving) -> None:
    """Each piece is with the client before the application makes the next one."""
    go_on = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    pieces = []
    async with serving(http_only(app)) as door, httpx.AsyncClient() as client, client.stream("GET", door.url) as answer:
        async for piece in answer.aiter_bytes():
            pieces.append(piece)
            go_on.set()

    assert pieces == [b"one", b"two"]


async def test_a_body_arrives_in_pieces(serving: Serving) -> None:
    """The application reads the beginning of a body before the client has sent its end."""
    first = trio.Event()
    bodies: list[bytes | None] = []

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        event = await receive()
        first.set()
        bodies.append(event["body"])
        bodies.append(await read_body(receive))
        await respond(send, 200, b"", [(b"content-length", b"0")])

    async with serving(http_only(app)) as door, await door.connect() as stream:
        await stream.send_all(POST + b"Content-Length: 6\r\n\r\nabc")
        await first.wait()
        await stream.send_all(b"def")
        await read_response(stream, bytearray())

    assert bodies == [b"abc", b"def"]


async def test_a_client_that_does_not_read_slows_the_application(serving: Serving) -> None:
    """`send` waits for the reader."""
    sent = 0

    async def app(_: Scope, __: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while sent < 64 * 2**20:
            await send({"type": "http.response.body", "body": bytes(2**16), "more_body": True})
            sent += 2**16

    async with serving(http_only(app)) as door:
        stream = await door.connect()
        await stream.send_all(GET)
        await stream.receive_some(1)
        await trio.testing.wait_all_tasks_blocked(0.1)

        assert 0 < sent < 64 * 2**20
        await trio.aclose_forcefully(stream)


async def test_the_application_hears_that_the_client_left(serving: Serving) -> None:
    """`http.disconnect` arrives while the application works on its answer."""
    heard = trio.Event()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await read_body(receive)
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    async with serving(http_only(app)) as door:
        async with await door.connect() as stream:
            await stream.send_all(GET)
            await trio.testing.wait_all_tasks_blocked(0.02)
        with trio.fail_after(1):
            await heard.wait()


async def test_lifespan_frames_the_requests(serving: Serving) -> None:
    """Start, state in the request, stop: in this order."""
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            story.append(f"request with {scope['state']['key']}")
            await respond(send, 200, b"", [(b"content-length", b"0")])
            return
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["key"] = "value"
        story.append("start")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        story.append("stop")
        await send({"type": "lifespan.shutdown.complete"})

    async with serving(app) as door:
        async with await door.connect() as stream:
            await stream.send_all(GET)
            await read_response(stream, bytearray())
        door.stop()
        await door.ended.wait()

    assert story == ["start", "request with value", "stop"]


async def test_a_graceful_stop_lets_requests_end(serving: Serving) -> None:
    """What is in flight is answered whole."""
    go_on, begun = trio.Event(), trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await respond(send, 200, b"done", [(b"content-length", b"4")])

    async with serving(http_only(app)) as door:
        async with await door.connect() as stream:
            await stream.send_all(GET)
            await begun.wait()
            door.stop()
            await trio.testing.wait_all_tasks_blocked(0.02)
            go_on.set()
            answer = await read_response(stream, bytearray())
        await door.ended.wait()

    assert answer == (200, b"done")


async def test_a_unix_socket_is_served(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same requests over a file."""
    monkeypatch.chdir(tmp_path)  # a path short enough for the kernel
    path = Path("door.sock")
    async with serving(http_only(echo), path):
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.get("http://localhost/a")

    assert response.json()["path"] == "/a"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
async def test_curl_is_served(serving: Serving, version: str) -> None:
    """curl posts a large body, with its own `Expect: 100-continue` in HTTP/1.1, and gets it back."""
    body = "x" * 2_000_000
    async with serving(http_only(echo)) as door:
        command = ["curl", version, "--silent", "--fail", "--data-binary", "@-", door.url]
        done = await trio.run_process(command, stdin=body.encode(), capture_stdout=True, stderr=subprocess.DEVNULL)

    assert json.loads(done.stdout)["body"] == body


async def test_the_httpx_client_is_served(serving: Serving) -> None:
    """Twenty callers share kept connections; lengths, streams both ways and empty answers agree."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"piece"

    async def call(client: httpx.AsyncClient, number: int) -> None:
        for _ in range(5):
            plain = await client.put(f"/{number}", content=b"x" * number)
            streamed = await client.post(f"/{number}", content=pieces())
            assert plain.json()["body"] == "x" * number
            assert streamed.json()["body"] == "piece" * 5
            assert (await client.head("/")).content == b""

    async with serving(http_only(echo)) as door, httpx.AsyncClient(base_url=door.url) as client:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(call, client, number)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
async def test_wrk_is_served(serving: Serving) -> None:
    """A second of load from a client that checks nothing but sends fast: no error, no broken connection."""
    async with serving(http_only(echo)) as door:
        done = await trio.run_process(["wrk", "-t1", "-c16", "-d1s", door.url], capture_stdout=True)

    assert b"Socket errors" not in done.stdout
    assert b"Non-2xx" not in done.stdout
    assert int(re.findall(rb"(\d+) requests in", done.stdout)[0]) > 100
