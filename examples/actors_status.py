from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from actors import ChildSpec, Event, SupervisorSpec, open_supervisor
from actors.events import Crashed, DeadLetter


@asynccontextmanager
async def sleeper() -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    async def handle(seconds: float) -> None:
        await trio.sleep(seconds)

    yield handle


def watch(event: Event) -> None:
    match event:
        case DeadLetter(actor, message, reason, started):
            print(f"dead letter to {actor}: {message} ({'begun' if started else 'never begun'}): {reason}")
        case Crashed(actor, incarnation, error):
            print(f"{actor} number {incarnation} crashed: {error!r}")
        case _:
            pass


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[watch]) as root:
        group = await root.start_supervisor(SupervisorSpec(name="group", strategy="one_for_all"))
        busy = await group.start(ChildSpec(name="busy", start=sleeper, mailbox=2))
        await group.start(ChildSpec(name="idle", start=sleeper, mailbox=2))
        for seconds in (3600.0, 1.0, 2.0):
            await busy.tell(seconds)
            await trio.sleep(0.1)
        print(root.status())
        await busy.stop(grace=0)  # the message in hand is cut short, the queued ones are never begun
        print(root.status())


trio.run(main)
