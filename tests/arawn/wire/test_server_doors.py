"""Connections over the network and those through a Unix socket have places of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve
from tests.serving import echo, http_only, read_all, serving, talk

UNDER_WAY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def answer(stream: trio.SocketStream) -> bytes:
    async with stream:
        await stream.send_all(ASKED)
        return (await read_all(stream))[:12]


@pytest.mark.parametrize("crowded", ["network", "socket"])
async def test_a_crowd_at_one_door_leaves_the_other_its_places(tmp_path: Path, crowded: str) -> None:
    """Who needs no more than a port cannot lock out who owns the machine; nor the other way round."""
    limits = Limits(connections=1, linger_seconds=0.01)
    network = await open_tcp_listeners("127.0.0.1", 0)
    connect = {
        "network": partial(trio.open_tcp_stream, *network[0].socket.getsockname()),
        "socket": partial(trio.open_unix_socket, tmp_path / "s"),
    }
    with open_unix_listener(tmp_path / "s") as unix:
        async with trio.open_nursery() as nursery:
            run = partial(serve, http_only(echo), listeners=[*network, unix], stopping=trio.Event(), limits=limits)
            await nursery.start(run)
            async with await connect[crowded]() as busy:
                await busy.send_all(UNDER_WAY)
                await trio.testing.wait_all_tasks_blocked(0.01)
                answers = {door: await answer(await enter()) for door, enter in connect.items()}
            nursery.cancel_scope.cancel(reason="the test is over")

    free = ({"network", "socket"} - {crowded}).pop()
    assert answers == {crowded: b"HTTP/1.1 503", free: b"HTTP/1.1 200"}


@pytest.mark.parametrize("said", [b"", b"GET / HT"], ids=["nothing", "half a head"])
async def test_who_only_opens_connections_keeps_nobody_out(said: bytes, mock_clock: MockClock) -> None:
    """They give way, the oldest first, after a moment in which they could have asked."""
    async with serving(echo, Limits(connections=2)) as served:
        silent = [await served.connect() for _ in range(2)]
        for stream in silent:
            await stream.send_all(said)
            await trio.testing.wait_all_tasks_blocked(0.01)
        at_once = await talk(served, b"")
        mock_clock.jump(0.2)
        later = await talk(served, ASKED)
        assert later.startswith(b"HTTP/1.1 200 ")
        first = await read_all(silent[0])
        await silent[1].send_all(ASKED.removeprefix(said))
        second = await read_all(silent[1])
        for stream in silent:
            await stream.aclose()

    assert at_once.startswith(b"HTTP/1.1 503 ")
    assert (first, second[:13]) == (b"", b"HTTP/1.1 200 ")


async def test_a_request_in_hand_keeps_its_place(mock_clock: MockClock) -> None:
    """However long its body, or its answer, takes: who comes too late is told so."""
    async with serving(echo, Limits(connections=1)) as served, await served.connect() as busy:
        await busy.send_all(UNDER_WAY)
        await trio.testing.wait_all_tasks_blocked(0.01)
        mock_clock.jump(0.5)
        refused = await talk(served, b"")
        await busy.send_all(b"x")
        await busy.send_eof()
        answered = await read_all(busy)

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert answered.startswith(b"HTTP/1.1 200 ")
