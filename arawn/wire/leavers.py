"""Notices clients that leave while their requests are answered: one `epoll` and one task for all connections."""

from __future__ import annotations

import select
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

__all__ = ["Leavers", "open_leavers"]


class Leavers:
    """Who is to be told when the client at a descriptor has left. Linux only: elsewhere there is no `epoll`.

    A task of its own for each request, waiting to read, would cost an eighth of the request. A descriptor is added once
    for all its requests: each of them then costs no call of the system.
    """

    def __init__(self, epoll: select.epoll) -> None:
        """Begin with nobody to watch; the caller closes `epoll`."""
        self._epoll = epoll
        self._told: dict[int, Callable[[], None]] = {}
        self._gone: set[int] = set()

    def add(self, descriptor: int) -> None:
        """Notice from now on when the client at `descriptor` shuts down its sending half, or the connection breaks.

        What it has sent ahead does not hide that. `remove` comes before the descriptor's close.
        """
        self._epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLET)  # breaks are always told

    def remove(self, descriptor: int) -> None:
        """End what `add` began."""
        self._epoll.unregister(descriptor)
        self._gone.discard(descriptor)

    def watch(self, descriptor: int, left: Callable[[], None]) -> None:
        """Call `left`, once, when the client has left, which may be now; one at a time for each descriptor."""
        if descriptor in self._gone:
            left()
        else:
            self._told[descriptor] = left

    def unwatch(self, descriptor: int) -> None:
        """Tell nobody of this client any more."""
        self._told.pop(descriptor, None)

    async def tell(self) -> None:
        """Tell of those who leave; never returns.

        Checkpoint: always. If cancelled: nobody is told any more.
        """
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for descriptor, _ in self._epoll.poll(0):
                self._gone.add(descriptor)
                left = self._told.pop(descriptor, None)
                if left is not None:
                    left()


@asynccontextmanager
async def open_leavers() -> AsyncIterator[Leavers | None]:
    """Yield a watch over clients, at work for the length of the block; None where the system has no `epoll`.

    Checkpoint: on leaving the block, if there is an `epoll`. If cancelled: nobody is told any more.
    """
    if sys.platform != "linux":
        yield None
        return
    with select.epoll() as epoll:
        leavers = Leavers(epoll)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leavers.tell)
            yield leavers
            nursery.cancel_scope.cancel(reason="no client is served any more")
