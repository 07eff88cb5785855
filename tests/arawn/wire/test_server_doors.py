"""Connections over the network and those through a Unix socket have places of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve
from tests.serving import echo, http_only, read_all

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
            async with await connect[crowded]():
                await trio.testing.wait_all_tasks_blocked(0.01)
                answers = {door: await answer(await enter()) for door, enter in connect.items()}
            nursery.cancel_scope.cancel(reason="the test is over")

    free = ({"network", "socket"} - {crowded}).pop()
    assert answers == {crowded: b"HTTP/1.1 503", free: b"HTTP/1.1 200"}
