"""How long is a trivial child away when it crashes?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import Backoff, ChildSpec, HandlerFailed, Intensity, Request, SupervisorSpec, open_supervisor
from benchmarks.measure import Comparison, Run, alternate

CRASHES = 500
NOW = Backoff(initial=0, maximum=0)
OFTEN = Intensity(limit=1_000_000)


class Poke(msgspec.Struct, Request[None], frozen=True):
    """Handled without effect, or by crashing."""

    crash: bool = False


@asynccontextmanager
async def poked() -> AsyncIterator[Callable[[Poke], Awaitable[None]]]:
    async def handle(message: Poke) -> None:
        if message.crash:
            raise RuntimeError("as asked")

    yield handle


async def _crashing() -> None:
    async with open_supervisor(SupervisorSpec(name="root", total=OFTEN), hooks=[]) as root:
        spec = ChildSpec(name="poked", start=poked, mailbox=8, intensity=OFTEN, backoff=NOW)
        ref = await root.start(spec)
        for _ in range(CRASHES):
            try:
                await ref.ask(Poke(crash=True))
            except HandlerFailed:
                await ref.ask(Poke())


async def _sleeping() -> None:
    for _ in range(CRASHES):
        await trio.sleep(0.001)


def _counted(main: Callable[[], Awaitable[None]]) -> Run:
    def run() -> int:
        trio.run(main)
        return CRASHES

    return run


def run() -> Iterator[Comparison]:
    """Compare a crash, restart and answer with a sleep of the millisecond that they may take."""
    contestants = {
        "actors: crash, restart, answer": _counted(_crashing),
        "a sleep of 1 ms": _counted(_sleeping),
    }
    yield alternate("A crash and the next answer", contestants, target="<= 1 ms", at_least=1.0)
