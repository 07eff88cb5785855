"""What does an `ask` cost beside a bare trio channel with an `Event` for the reply, and beside pykka?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import ChildSpec, Request, SupervisorSpec, open_supervisor
from benchmarks.measure import Comparison, Run, alternate

CLIENTS = 100
ASKS = 200  # each


class Double(msgspec.Struct, Request[int], frozen=True):
    """Ask for twice the number."""

    number: int


@asynccontextmanager
async def doubler() -> AsyncIterator[Callable[[Double], Awaitable[int]]]:
    async def handle(message: Double) -> int:
        return message.number * 2

    yield handle


async def _ours() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(ChildSpec(name="doubler", start=doubler, mailbox=128))

        async def client() -> None:
            for number in range(ASKS):
                await ref.ask(Double(number))

        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(client)


class _Question:
    __slots__ = ("done", "number", "reply")

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = trio.Event()
        self.reply = 0


async def _bare() -> None:
    send, receive = trio.open_memory_channel[_Question](128)

    async def serve() -> None:
        async for question in receive:
            question.reply = question.number * 2
            question.done.set()

    async def client(to: trio.MemorySendChannel[_Question]) -> None:
        with to:
            for number in range(ASKS):
                question = _Question(number)
                await to.send(question)
                await question.done.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with send:
            for _ in range(CLIENTS):
                nursery.start_soon(client, send.clone())


def _pykka() -> Run | None:
    try:
        import pykka
    except ImportError:
        return None

    class Doubler(pykka.ThreadingActor):  # type: ignore[misc]  # pykka has no types here
        def on_receive(self, message: int) -> int:
            return message * 2

    def run() -> int:
        ref = Doubler.start()
        for number in range(CLIENTS * ASKS // 10):  # one client: its threads gain nothing from more
            ref.ask(number)
        ref.stop()
        return CLIENTS * ASKS // 10

    return run


def _counted(main: Callable[[], Awaitable[None]]) -> Run:
    def run() -> int:
        trio.run(main)
        return CLIENTS * ASKS

    return run


def run() -> Iterator[Comparison]:
    """Compare; yields one result."""
    contestants = {
        f"actors: ask, {CLIENTS} clients": _counted(_ours),
        "bare trio channel + Event": _counted(_bare),
    }
    pykka = _pykka()
    if pykka is not None:
        contestants["pykka: ask"] = pykka
    yield alternate("An ask and its reply", contestants, target=">= 1.0 x bare", at_least=1.0)
