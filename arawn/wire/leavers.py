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

    A task of its own for each request, waiting to read, would cost an eighth of the request.
    """

    def __init__(self, epoll: select.epoll) -> None:
        """Begin with nobody to watch; the caller closes `epoll`."""
        self._epoll = epoll
        self._left: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, left: Callable[[], None]) -> None:
        """Call `left`, once, when the client at `descriptor` shuts down its sending half, or the connection breaks.

        What it has sent ahead does not hide that. A descriptor is watched for one at a time, and `unwatch` comes before
        its close.
        """
        self._epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLONESHOT)  # breaks are always told
        self._left[descriptor] = left

    def unwatch(self, descriptor: int) -> None:
        """End what `watch` began."""
        del self._left[descriptor]
        self._epoll.unregister(descriptor)

    async def tell(self) -> None:
        """Tell of those who leave; never returns.

        Checkpoint: always. If cancelled: nobody is told any more.
        """
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for descriptor, _ in self._epoll.poll(0):
                self._left[descriptor]()


@asynccontextmanager
async def open_leavers() -> AsyncIterator[Leavers | None]:
    """Yield a watch over clients, at work for the length of the block; None where the system has no `epoll`."""
    if sys.platform != "linux":
        yield None
        return
    with select.epoll() as epoll:
        leavers = Leavers(epoll)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leavers.tell)
            yield leavers
            nursery.cancel_scope.cancel(reason="no client is served any more")
