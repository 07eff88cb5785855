"""Stopping, and the Unix socket with its file."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.asgi import Receive, Scope, Send
from arawn.wire.lifespan import LifespanFailed
from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve
from tests.serving import PATIENCE, echo, http_only, read_all, read_response, respond, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_graceful_stop_lets_requests_in_flight_end() -> None:
    """The answer is whole and says `connection: close`; meanwhile nobody new is let in."""
    go_on = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await go_on.wait()
        await respond(send, 200, b"done")

    async with serving(app, Limits(linger_seconds=0.01)) as served, await served.connect() as stream:
        await stream.send_all(GET + GET)
        await trio.testing.wait_all_tasks_blocked(0.01)
        served.stopping.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        with pytest.raises(OSError, match="connect"):
            await served.connect()
        assert not served.ended.is_set()
        go_on.set()
        answer = await read_all(stream)
        await served.ended.wait()

    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in answer


async def test_a_graceful_stop_closes_idle_connections_at_once() -> None:
    """Connections between two requests, or before the first, do not hold up the stop."""
    async with serving(echo) as served, await served.connect() as fresh, await served.connect() as used:
        await used.send_all(GET)
        await read_response(used, bytearray())
        served.stopping.set()
        with trio.fail_after(0.5):
            await served.ended.wait()

        assert await fresh.receive_some() == b""
        assert await used.receive_some() == b""


async def test_a_request_half_sent_is_in_flight() -> None:
    """A request whose first bytes have arrived is finished and answered."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(GET[:9])
        await trio.testing.wait_all_tasks_blocked(0.01)
        served.stopping.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(GET[9:])
        answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_the_callers_deadline_cancels_what_is_left() -> None:
    """Cancelling `serve` cancels the application and closes the connection."""
    cancelled = False

    async def app(_: Scope, __: Receive, ___: Send) -> None:
        nonlocal cancelled
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cancelled = True
            raise

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET)
        await trio.testing.wait_all_tasks_blocked(0.01)
        served.stopping.set()
        served.cancel.cancel(reason="the grace is over")
        await served.ended.wait()

        assert cancelled
        assert await stream.receive_some() == b""


async def test_after_the_grace_the_rest_is_cancelled_and_the_application_stopped_in_order() -> None:
    """Requests still in flight then are cut; the lifespan's shutdown comes after them and is not cut."""
    story: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await trio.sleep(0.01)
            story.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            await trio.sleep_forever()
        finally:
            story.append("request")

    stopping = trio.Event()
    listeners = await open_tcp_listeners("127.0.0.1", 0)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, app, listeners=listeners, stopping=stopping, grace_seconds=0.05))
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(GET)
                await trio.testing.wait_all_tasks_blocked(0.01)
                stopping.set()
                assert await read_all(stream) == b""

    assert story == ["request", "shutdown"]


async def test_a_request_that_crosses_the_stop_is_answered() -> None:
    """A request that arrives in the very moment the server closes idle connections is not lost."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.lowlevel.checkpoint()  # where a cancellation that came too late would strike
        await echo(scope, receive, send)

    for _ in range(12):  # the scheduler tosses a coin over which of the two comes first
        async with serving(app, Limits(linger_seconds=0)) as served, await served.connect() as stream:
            await stream.send_all(GET)
            await read_response(stream, bytearray())
            await trio.testing.wait_all_tasks_blocked(0.001)
            os.write(stream.socket.fileno(), GET)
            served.stopping.set()
            answer = await read_all(stream)

            assert answer.startswith(b"HTTP/1.1 200 ")


async def test_an_application_that_cannot_start_stops_the_server() -> None:
    """`lifespan.startup.failed` is raised with the application's own reason."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.RaisesGroup(pytest.RaisesExc(LifespanFailed, match="no disk"), flatten_subgroups=True):
        await serve(app, listeners=[], stopping=trio.Event())


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A socket path short enough for the kernel, whatever the temporary directory is called."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield Path("door.sock")
    os.chdir(before)


def mode_of(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


async def test_a_unix_socket_is_served_to_its_owner_alone(path: Path) -> None:
    """Requests come in over the file, its mode is 0600, the scope has no port, and the file is gone at the end."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    stopping = trio.Event()
    with open_unix_listener(path) as listener:
        mode = mode_of(path)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, http_only(app), listeners=[listener], stopping=stopping))
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport) as client:
                response = await client.get("http://localhost/a")
            stopping.set()

    assert response.json()["path"] == "/a"
    assert mode == 0o600
    assert scopes[-1]["server"] == (str(path), None)
    assert mode_of(path) is None


def test_a_stale_socket_file_is_replaced(path: Path) -> None:
    """A file left by a crash, on which nobody answers, is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    with open_unix_listener(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_that_answers_is_left_alone(path: Path) -> None:
    """A second listener on one path is refused and the first keeps its file."""
    with open_unix_listener(path):
        with pytest.raises(OSError, match="another process answers"), open_unix_listener(path):
            pass

        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    """Nothing but a socket is ever removed."""
    path.write_text("precious")

    with pytest.raises(FileExistsError, match="no socket"), open_unix_listener(path):
        pass

    assert path.read_text() == "precious"


def test_only_our_own_file_is_removed(path: Path) -> None:
    """A file that another process has put in place of ours stays."""
    with open_unix_listener(path):
        path.unlink()
        path.write_text("theirs")

    assert path.read_text() == "theirs"


def test_a_path_too_long_is_said_so() -> None:
    """The kernel's bound on the path is an error that names it."""
    with pytest.raises(OSError, match="107 bytes"), open_unix_listener(Path("/" + "a" * 200)):
        pass
