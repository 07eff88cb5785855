"""Accepting connections that come together."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio
import trio.testing

from arawn.wire.burst_listener import BurstListener


@contextmanager
def connected(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]


async def listening() -> tuple[BurstListener, int]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    return BurstListener(listener), listener.socket.getsockname()[1]


async def test_connections_that_wait_are_accepted_without_a_checkpoint_in_between() -> None:
    """One pass of the scheduler lets all of them in, each as itself."""
    listener, port = await listening()
    with connected(port, 10) as clients:
        async with listener:
            streams = [await listener.accept()]
            with trio.testing.assert_no_checkpoints():
                streams += [await listener.accept() for _ in range(9)]

            assert {stream.socket.getpeername() for stream in streams} == {each.getsockname() for each in clients}
            for stream in streams:
                await stream.aclose()


async def test_what_nobody_took_is_closed_with_the_listener() -> None:
    """A client that was let in and never served sees the end at once."""
    listener, port = await listening()
    with connected(port, 2) as clients:
        await (await listener.accept()).aclose()
        await listener.aclose()

        for client in clients:
            client.settimeout(5)
            assert client.recv(1) == b""
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


class Failing:
    """A socket whose next accept fails."""

    def __init__(self, real: socket.socket, code: int) -> None:
        self._real = real
        self._codes = [code]

    def accept(self) -> tuple[socket.socket, object]:
        if self._codes:
            raise OSError(self._codes.pop(), "the network's trouble")
        return self._real.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETDOWN, errno.ETIMEDOUT, errno.ECONNRESET])
async def test_trouble_of_one_connection_ends_no_listener(code: int) -> None:
    """Linux passes errors of the network on to `accept`; the next connection is served."""
    listener, port = await listening()
    listener._socket = Failing(listener._socket, code)  # type: ignore[assignment]
    with connected(port, 1), trio.fail_after(5):
        async with listener:
            await (await listener.accept()).aclose()


async def test_out_of_descriptors_loses_no_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Those that were accepted are returned first, the others when there are descriptors again; one line says why."""
    listener, port = await listening()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connected(port, 3):
        async with listener:
            lowest = socket.socket()
            number = lowest.fileno()
            lowest.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (number + 1, hard))
            try:
                streams = [await listener.accept()]
                with trio.move_on_after(0.35) as waited:
                    await listener.accept()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            streams += [await listener.accept() for _ in range(2)]
            for stream in streams:
                await stream.aclose()

    assert waited.cancelled_caught
    assert [record.message for record in caplog.records if record.name == "arawn.wire"] == [
        "no connection can be accepted: Too many open files; raise `ulimit -n` (`LimitNOFILE=`)"
    ]
