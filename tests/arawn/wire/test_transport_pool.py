"""What our transport alone promises: which connection serves whom, and when one is done with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.client_connection import ClientConnection
from arawn.wire.connection_pool import ConnectionPool


class FakeLink:
    """A link that nothing goes over."""

    def __init__(self) -> None:
        self.bytes_sent = 0
        self.input = False
        self.closed = False

    async def send(self, data: bytes) -> None:
        raise NotImplementedError

    async def receive(self) -> bytes:
        raise NotImplementedError

    def has_input(self) -> bool:
        return self.input

    def close(self) -> None:
        self.closed = True


class Pool:
    """A pool of fake connections, numbered as they were opened."""

    def __init__(self, limit: int | None = None, opening: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint):
        self.links: list[FakeLink] = []
        self._opening = opening
        self.pool = ConnectionPool("origin", self._connect, limit=limit, idle_seconds=5)

    async def _connect(self, seconds: float | None) -> ClientConnection:
        await self._opening()
        self.links.append(FakeLink())
        return ClientConnection(self.links[-1], 1000)

    async def acquire(self, seconds: float | None = None) -> tuple[ClientConnection, int]:
        connection = await self.pool.acquire(seconds, None)
        return connection, [link is connection.link for link in self.links].index(True)

    def __repr__(self) -> str:
        return repr(self.pool).removeprefix("<ConnectionPool origin: ").partition(", limit")[0].removesuffix(">")


async def test_the_connection_used_last_serves_next() -> None:
    """The others grow old, and a burst's connections are let go in the end."""
    pool = Pool()
    taken = [(await pool.acquire())[0] for _ in range(3)]
    for connection in taken:
        pool.pool.give_back(connection)

    assert (await pool.acquire())[1] == 2
    assert repr(pool) == "1 busy, 0 connecting, 2 idle, 0 waiting"


async def test_an_old_connection_is_not_used_again(autojump_clock: trio.testing.MockClock) -> None:
    """Nor are those that are older still."""
    pool = Pool()
    taken = [(await pool.acquire())[0] for _ in range(3)]
    for connection in taken:
        pool.pool.give_back(connection)
        await trio.sleep(2)

    assert (await pool.acquire())[1] == 2
    assert [link.closed for link in pool.links] == [True, False, False]
    await trio.sleep(5)
    assert (await pool.acquire())[1] == 3
    assert [link.closed for link in pool.links] == [True, True, False, False]


async def test_a_connection_with_something_to_say_is_not_used_again() -> None:
    """Given back, or while idle: an end, a reset, or bytes nobody asked for."""
    pool = Pool()
    first, second = [(await pool.acquire())[0] for _ in range(2)]
    pool.links[0].input = True

    pool.pool.give_back(first)
    pool.pool.give_back(second)
    pool.links[1].input = True

    assert (await pool.acquire())[1] == 2
    assert [link.closed for link in pool.links] == [True, True, False]


async def test_a_connection_with_something_to_say_is_not_handed_on() -> None:
    """Whoever waits in line opens one in its place."""
    pool = Pool(limit=1)
    held, _ = await pool.acquire()
    got: list[int] = []

    async def wait() -> None:
        got.append((await pool.acquire())[1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        pool.links[0].input = True
        pool.pool.give_back(held)

    assert got == [1]
    assert [link.closed for link in pool.links] == [True, False]


@pytest.mark.parametrize("end", ["give_back", "retire"])
async def test_who_came_first_is_served_first(end: str) -> None:
    """Beyond the limit callers stand in line, and get a connection or the place of one."""
    pool = Pool(limit=1)
    held, _ = await pool.acquire()
    order: list[int] = []

    async def caller(number: int) -> None:
        connection, _ = await pool.acquire()
        order.append(number)
        await trio.lowlevel.checkpoint()
        getattr(pool.pool, end)(connection)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(caller, number)
            await trio.testing.wait_all_tasks_blocked()
        assert repr(pool) == "1 busy, 0 connecting, 0 idle, 5 waiting"
        getattr(pool.pool, end)(held)

    assert order == [0, 1, 2, 3, 4]
    assert len(pool.links) == (1 if end == "give_back" else 6)


async def test_idle_connections_count_and_make_room() -> None:
    """The limit is on all that is open; a useless idle one costs nobody a place."""
    pool = Pool(limit=1)
    pool.pool.give_back((await pool.acquire())[0])
    pool.links[0].input = True

    assert (await pool.acquire(0.0))[1] == 1


async def test_a_failed_connect_gives_its_place_to_the_next() -> None:
    """Whether it failed or was cancelled."""
    failures = iter([httpx.ConnectError("no"), None])

    async def opening() -> None:
        await trio.testing.wait_all_tasks_blocked()
        failure = next(failures)
        if failure is not None:
            raise failure

    pool = Pool(limit=1, opening=opening)
    results: list[object] = []

    async def caller() -> None:
        try:
            results.append((await pool.acquire())[1])
        except httpx.ConnectError:
            results.append("failed")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller)
        nursery.start_soon(caller)

    assert results == ["failed", 0]


async def test_a_caller_that_gave_up_is_passed_over(autojump_clock: trio.testing.MockClock) -> None:
    """It leaves the line, and the connection goes to the next."""
    pool = Pool(limit=1)
    held, _ = await pool.acquire()
    got: list[int] = []

    async def caller() -> None:
        got.append((await pool.acquire())[1])

    async with trio.open_nursery() as nursery:
        with pytest.raises(httpx.PoolTimeout, match="all 1 connections to origin stayed in use for 3 s"):
            await pool.acquire(3.0)
        nursery.start_soon(caller)
        await trio.testing.wait_all_tasks_blocked()
        pool.pool.give_back(held)

    assert got == [0]


async def test_a_closed_pool_sends_everyone_away() -> None:
    """Who waits, who connects, who comes later; and what is given back is closed."""
    gate = trio.Event()
    pool = Pool(limit=2, opening=gate.wait)
    refused: list[str] = []

    async def caller() -> None:
        with pytest.raises(httpx.ConnectError, match="has been closed"):
            await pool.acquire()
        refused.append("refused")

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(caller)
        await trio.testing.wait_all_tasks_blocked()
        pool.pool.close()
        gate.set()
    await caller()

    assert len(refused) == 5
    assert all(link.closed for link in pool.links)
    assert repr(pool) == "closed, 0 busy, 0 connecting, 0 idle, 0 waiting"
