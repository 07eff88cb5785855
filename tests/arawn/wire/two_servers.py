"""Our server and hypercorn's trio worker, each run for one application, and the requests that both are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
import trio

from arawn.wire.asgi import ASGIApp
from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve
from tests.serving import PATIENCE

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
