"""What our server and hypercorn's trio worker both do: one suite over the two, and the differences in one table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
import trio.testing

from arawn.wire.asgi import ASGIApp, Event, Receive, Scope, Send
from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve
from tests.serving import PATIENCE, echo, http_only, read_body, read_response, respond

HOST = b"Host: x\r\n"
CLOSE = b"Connection: close\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
POST = b"POST /b HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Door(msgspec.Struct):
    """One running server; `stop` asks it to end gracefully and `ended` says that it has."""

    port: int
    stop: Callable[[], None]
    ended: trio.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


async def run_ours(app: ASGIApp, path: Path | None, stopping: trio.Event, task_status: trio.TaskStatus[int]) -> None:
    limits = Limits(linger_seconds=0.05)
    if path:
        with open_unix_listener(path) as listener:
            start = partial(serve, app, listeners=[listener], stopping=stopping, limits=limits)
            async with trio.open_nursery() as nursery:
                await nursery.start(start)
                task_status.started(0)
        return
    listeners = await open_tcp_listeners("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, app, listeners=listeners, stopping=stopping, limits=limits))
        task_status.started(port)


async def run_hypercorn(
    app: ASGIApp, path: Path | None, stopping: trio.Event, task_status: trio.TaskStatus[int]
) -> None:
    config = import_module("hypercorn.config").Config()
    config.bind = [f"unix:{path}" if path else "127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(
            partial(import_module("hypercorn.trio").serve, app, config, shutdown_trigger=stopping.wait, mode="asgi")
        )
        task_status.started(0 if path else int(binds[0].rpartition(":")[2]))


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


RUN = {"ours": run_ours, "hypercorn": run_hypercorn}
Serving = Callable[..., AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def serving_with(name: str, app: ASGIApp, path: Path | None = None) -> AsyncIterator[Door]:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            stopping, ended = trio.Event(), trio.Event()

            async def run(task_status: trio.TaskStatus[int]) -> None:
                await RUN[name](app, path, stopping, task_status)
                ended.set()

            port: int = await nursery.start(run)
            yield Door(port, stopping.set, ended)
            nursery.cancel_scope.cancel(reason="the test is over")


needs_hypercorn = pytest.mark.skipif(not find_spec("hypercorn"), reason="hypercorn is not installed")


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


Outcome = tuple[tuple[int, ...], tuple[str, ...]]
"""The statuses answered until the server closes, and the `method path body` that reached the application."""

ALIKE: dict[str, bytes] = {
    "one request": LAST,
    "two requests": GET + LAST,
    "HTTP/1.0": b"GET /a HTTP/1.0\r\n\r\n",
    "a length": POST + b"Content-Length: 3\r\n\r\nabc" + LAST,
    "an empty body": POST + b"Content-Length: 0\r\n\r\n" + LAST,
    "chunks": CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n" + LAST,
    "chunked in capitals": POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + LAST,
    "HEAD": b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "an unknown method": b"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "two lengths that differ": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + LAST,
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc" + LAST,
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc" + LAST,
    "an empty length": POST + b"Content-Length:\r\n\r\n" + LAST,
    "a space before the colon": POST + b"Content-Length : 3\r\n\r\nabc" + LAST,
    "no colon": POST + b"Content-Length 3\r\n\r\nabc" + LAST,
    "a NUL in a value": POST + b"X-A: 1\x002\r\n\r\n" + LAST,
    "no Host": b"GET /a HTTP/1.1\r\n\r\n" + LAST,
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + LAST,
    "two spaces": b"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "no version": b"GET /a\r\nHost: x\r\n\r\n" + LAST,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + LAST,
    "a chunk size that is no number": CHUNKED + b"g\r\n" + LAST,
    "a chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n" + LAST,
    "a chunk size that ends in LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n" + LAST,
    "chunk data that ends in LF": CHUNKED + b"3\r\nabc\n0\r\n\r\n" + LAST,
    "a trailer without a colon": CHUNKED + b"0\r\nabc\r\n\r\n" + LAST,
    "twenty kilobytes of headers": b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20000 + b"\r\n\r\n" + LAST,
    "a signed chunk size": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n" + LAST,
}

STRICT = "two servers in a row may read it differently"
REFUSED: Outcome = ((400,), ())
BOTH: tuple[int, ...] = (200, 200)

# name: (bytes, what ours does, what hypercorn does, why ours does so)
DIFFERENT: dict[str, tuple[bytes, Outcome, Outcome, str]] = {
    "bare LF": (b"GET /a HTTP/1.1\nHost: x\nConnection: close\n\n", REFUSED, ((200,), ("GET /a",)), STRICT),
    "a folded line": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET /a", "GET /last")), STRICT,
    ),
    "two lengths that agree": (
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "a list of lengths": (
        POST + b"Content-Length: 3, 3\r\n\r\nabc" + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "length and chunked": (
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("POST /b", "GET /last")), STRICT,
    ),
    "another coding": (
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + LAST,
        REFUSED, ((501,), ()), "the status only",
    ),
    "chunked in HTTP/1.0": (
        b"POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        REFUSED, ((200,), ("POST /b abc",)), STRICT,
    ),
    "a space after a chunk size": (
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n" + LAST, REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "a long chunk extension": (
        CHUNKED + b"3;%b\r\nabc\r\n0\r\n\r\n" % (b"a" * 300) + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), "extensions are bounded",
    ),
    "a target and a Host that differ": (
        b"GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET http://y/a", "GET /last")), STRICT,
    ),
    "a Host that is no host": (
        b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n" + LAST, REFUSED, (BOTH, ("GET /a", "GET /last")), STRICT,
    ),
    "a fragment": (
        b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n" + LAST, REFUSED, (BOTH, ("GET /a#b", "GET /last")), STRICT,
    ),
    "a path that is not UTF-8": (
        b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET /\ufffd", "GET /last")), "ASGI has no path for it; a replacement would be another path",
    ),
    "CONNECT": (
        b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + LAST, REFUSED, ((200,), ("CONNECT x:1",)), "this is no proxy",
    ),
    "a method in small letters": (
        b"get /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        ((501,), ()), (BOTH, ("GET /a", "GET /last")), "methods are case-sensitive; guessing is not ours",
    ),
    "another version": (
        b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n" + LAST,
        ((505,), ()), (BOTH, ("GET /a", "GET /last")), "the framing of a version not spoken is unknown",
    ),
    "another expectation": (
        POST + b"Expect: tea\r\nContent-Length: 1\r\n\r\nx" + LAST,
        ((417,), ()), (BOTH, ("POST /b x", "GET /last")), "it cannot be met",
    ),
    "an absolute target": (
        b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), (BOTH, ("GET http://x/a", "GET /last")), "RFC 9112 3.2.2: the same path",
    ),
    "an empty line first": (
        b"\r\n" + LAST, ((200,), ("GET /last",)), REFUSED, "RFC 9112 2.2: to be ignored",
    ),
    "HTTP/1.0 that asks to be kept": (
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        (BOTH, ("GET /a", "GET /b")), ((400,), ("GET /a",)), "old benchmarks and health checks do; hypercorn cannot",
    ),
    "a request after the last": (
        LAST + GET, ((200,), ("GET /last",)), ((400,), ("GET /last",)), "what was asked first is answered",
    ),
    "an offer of HTTP/2": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), ((101,), ("GET /a",)), "not spoken; the offer may be ignored",
    ),
    "an offer of a WebSocket": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), REFUSED, "not spoken; the offer may be ignored",
    ),
}  # fmt: skip


async def outcome_of(name: str, raw: bytes) -> Outcome:
    """Send `raw`, read until the server closes or has nothing more to say."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is not None:
            seen.append(f"{scope['method']} {scope['path']} {body.decode()}".rstrip())
            await respond(send, 200, b"", [(b"content-length", b"0")])

    answer = b""
    async with serving_with(name, http_only(app)) as door, await door.connect() as stream:
        await stream.send_all(raw)
        with trio.move_on_after(0.5):
            while data := await stream.receive_some():
                answer += data
        await trio.aclose_forcefully(stream)
    return tuple(int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+)", answer, re.MULTILINE)), tuple(seen)


@needs_hypercorn
@pytest.mark.parametrize("raw", ALIKE.values(), ids=ALIKE.keys())
async def test_both_understand_the_same(raw: bytes) -> None:
    """The same bytes give the same statuses and the same requests to the application."""
    assert await outcome_of("ours", raw) == await outcome_of("hypercorn", raw)


@needs_hypercorn
@pytest.mark.parametrize(("raw", "ours", "theirs", "why"), DIFFERENT.values(), ids=DIFFERENT.keys())
async def test_where_they_differ_it_is_stated(raw: bytes, ours: Outcome, theirs: Outcome, why: str) -> None:
    """Every difference that is known is in the table, with its reason."""
    assert why
    assert await outcome_of("ours", raw) == ours
    assert await outcome_of("hypercorn", raw) == theirs
