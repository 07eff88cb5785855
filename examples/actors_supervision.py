from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from actors import Backoff, ChildSpec, Event, Intensity, SupervisorSpec, open_supervisor

Handle = Callable[[str], Awaitable[None]]


@asynccontextmanager
async def printer() -> AsyncIterator[Handle]:
    async def handle(word: str) -> None:
        if word == "jam":
            raise RuntimeError("paper jam")
        print("printed", word)

    yield handle


def show(event: Event) -> None:
    print("  ", event)


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[show]) as root:
        spec = ChildSpec(
            name="printer",
            start=printer,
            mailbox=16,
            intensity=Intensity(limit=3, period=60),  # the fourth crash in a minute is the supervisor's problem
            backoff=Backoff(initial=0.1, factor=2, maximum=5, jitter=0),
        )
        ref = await root.start(spec)
        for word in ("one", "jam", "two", "jam", "three"):
            await ref.tell(word)  # what is queued behind a crash waits for the next incarnation
        await trio.sleep(0.5)


trio.run(main)
