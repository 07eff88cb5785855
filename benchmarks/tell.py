"""What does a `tell` cost beside sending into a plain trio channel of 64?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import trio

from actors import ChildSpec, SupervisorSpec, open_supervisor
from benchmarks.measure import Comparison, Run, alternate

MESSAGES = 100_000


@asynccontextmanager
async def counter() -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    async def handle(number: int) -> None:
        pass

    yield handle


async def _ours() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(ChildSpec(name="counter", start=counter, mailbox=64, stop_grace=60.0))
        for number in range(MESSAGES):
            await ref.tell(number)
        await ref.stop()


async def _bare() -> None:
    send, receive = trio.open_memory_channel[int](64)

    async def serve() -> None:
        async for _ in receive:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with send:
            for number in range(MESSAGES):
                await send.send(number)


def _counted(main: Callable[[], Awaitable[None]]) -> Run:
    def run() -> int:
        trio.run(main)
        return MESSAGES

    return run


def run() -> Iterator[Comparison]:
    """Compare; yields one result."""
    contestants = {"actors: tell": _counted(_ours), "plain channel(64)": _counted(_bare)}
    yield alternate("A tell, handled", contestants, target=">= 10 x plain", at_least=10.0)
