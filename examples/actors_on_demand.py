from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import trio

from actors import ChildSpec, Request, SupervisorSpec, open_supervisor


class Say(msgspec.Struct, Request[int], frozen=True):
    line: str


@asynccontextmanager
async def room(name: str) -> AsyncIterator[Callable[[Say], Awaitable[int]]]:
    lines: list[str] = []
    print("open", name)

    async def handle(message: Say) -> int:
        lines.append(message.line)
        return len(lines)

    yield handle
    print("close", name, lines)


def make(name: str) -> ChildSpec[Say]:
    return ChildSpec(name=name, start=partial(room, name), mailbox=8)


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        rooms = await root.start_on_demand(SupervisorSpec(name="rooms"), make, idle_after=0.2)
        kitchen = rooms.ref("kitchen")  # nothing is started yet
        print(await kitchen.ask(Say("tea?")))
        print(await kitchen.ask(Say("yes")))
        await trio.sleep(0.4)  # nobody speaks: the room closes
        print(await kitchen.ask(Say("hello again")))  # the same ref opens it anew
        print(await rooms.ref("garden").ask(Say("sun")))


trio.run(main)
