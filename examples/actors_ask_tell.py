from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import ChildSpec, Request, SupervisorSpec, open_supervisor


class Add(msgspec.Struct, Request[int], frozen=True):  # its reply is an int, and type checkers know
    amount: int


@asynccontextmanager
async def counter() -> AsyncIterator[Callable[[Add], Awaitable[int]]]:
    total = 0  # owned by one actor, which handles one message at a time: no lock

    async def handle(message: Add) -> int:
        nonlocal total
        total += message.amount
        return total

    yield handle  # before this line: the start; after it: the clean-up
    print("counted to", total)


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(ChildSpec(name="counter", start=counter, mailbox=16))
        await ref.tell(Add(1))  # goes on as soon as the message is queued
        await ref.tell(Add(2))
        print("asked:", await ref.ask(Add(10)))  # goes on with the reply


trio.run(main)
