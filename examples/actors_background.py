from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from actors import ChildSpec, SupervisorSpec, open_supervisor
from actors.events import Ended, Event


@asynccontextmanager
async def thermometer() -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    readings = [20.5]

    async def measure() -> None:
        while True:
            await trio.sleep(0.1)
            readings.append(readings[-1] + 0.5)

    async with trio.open_nursery() as nursery:  # the incarnation's own: a crash in it is its crash
        nursery.start_soon(measure)

        async def handle(message: str) -> None:
            if message == "switch off":
                nursery.cancel_scope.cancel(reason="switched off")  # the actor ends itself
            else:
                print(f"{message}: {readings[-1]:g} degrees")

        yield handle
        nursery.cancel_scope.cancel(reason="stopped")  # without this line a stop would wait for `measure`


def show(event: Event) -> None:
    if isinstance(event, Ended):
        print(event)


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[show]) as root:
        spec = ChildSpec(name="thermometer", start=thermometer, mailbox=8, restart="transient", start_grace=1.0)
        ref = await root.start(spec)
        await trio.sleep(0.25)
        await ref.tell("now")
        await ref.tell("switch off")  # `transient`: an end that is no crash is the end
        await trio.sleep(0.1)


trio.run(main)
