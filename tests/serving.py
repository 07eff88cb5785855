"""A served ASGI application on a loopback port, and a plain client for raw bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import trio

from arawn.reload import ReloadReport
from arawn.server.app import build_app
from arawn.server.auth import Door
from arawn.wire.asgi import ASGIApp, Receive, Scope, Send
from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners
from arawn.wire.server import serve

PATIENCE = 5.0  # seconds of real time after which a test has failed
OPEN = Door(token=None, hosts=())


class Served(msgspec.Struct):
    port: int
    stopping: trio.Event
    cancel: trio.CancelScope
    ended: trio.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


async def never() -> ReloadReport:
    raise AssertionError("nothing is reloaded")


def app_of(runtime: Any, door: Door = OPEN) -> ASGIApp:
    """Return the application of the daemon in front of a runtime, or of what stands in for one."""
    return build_app(runtime, door=door, reload=never)


def http_only(app: ASGIApp) -> ASGIApp:
    """Spare `app` the look at the scope's type."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await app(scope, receive, send)

    return checked


@asynccontextmanager
async def serving(app: ASGIApp, limits: Limits | None = None) -> AsyncIterator[Served]:
    """Serve `app`, which has no lifespan, until the block ends, which must be within the patience of a test."""
    async with serving_with_lifespan(http_only(app), limits) as served:
        yield served


@asynccontextmanager
async def serving_with_lifespan(app: ASGIApp, limits: Limits | None = None) -> AsyncIterator[Served]:
    """Serve `app`, which is told of start and end too."""
    listeners = await open_tcp_listeners("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            served = Served(port, trio.Event(), trio.CancelScope(), trio.Event())

            async def run(task_status: trio.TaskStatus[None]) -> None:
                with served.cancel:
                    start = partial(serve, app, listeners=listeners, stopping=served.stopping, limits=limits)
                    await start(task_status=task_status)
                served.ended.set()

            await nursery.start(run)
            yield served
            nursery.cancel_scope.cancel(reason="the test is over")


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Read until the server closes."""
    return b"".join([chunk async for chunk in stream])


async def talk(served: Served, raw: bytes) -> bytes:
    """Send `raw`, return everything that comes back until the server closes the connection."""
    async with await served.connect() as stream:
        await stream.send_all(raw)
        return await read_all(stream)


async def read_response(stream: trio.abc.ReceiveStream, buffer: bytearray) -> tuple[int, bytes]:
    """Read one response with a content-length; `buffer` keeps what follows it."""
    while b"\r\n\r\n" not in buffer:
        chunk = await stream.receive_some()
        assert chunk, "the server closed before a whole response"
        buffer += chunk
    head, _, _ = bytes(buffer).partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    whole = len(head) + 4 + length
    while len(buffer) < whole:
        buffer += await stream.receive_some()
    body = bytes(buffer[len(head) + 4 : whole])
    del buffer[:whole]
    return int(head.split(b" ")[1]), body


async def read_body(receive: Receive) -> bytes | None:
    """Return the request's body, None if the client left before its end."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event["body"]
        if not event["more_body"]:
            return bytes(body)


async def respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was understood of the request."""
    body = await read_body(receive)
    if body is None:
        return
    seen: dict[str, Any] = {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await respond(send, 200, json.dumps(seen).encode(), [(b"content-type", b"application/json")])
