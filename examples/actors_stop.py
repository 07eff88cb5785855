import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from actors import ChildSpec, Stopped, Supervisor, SupervisorSpec, open_supervisor


@asynccontextmanager
async def writer() -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    async def handle(line: str) -> None:
        await trio.sleep(0.1)
        print("wrote", line)

    yield handle
    await trio.sleep(0.1)  # the clean-up: it has `cleanup_grace` seconds of its own, even in a hurry
    print("flushed")


async def stop_on_signals(root: Supervisor) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            print("stopping")
            root.request_stop(grace=1.0)  # a second call may shorten the grace, never prolong it


async def main() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root, trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signals, root)
        ref = await root.start(ChildSpec(name="writer", start=writer, mailbox=8, cleanup_grace=2.0))
        for line in ("first", "second", "third"):
            await ref.tell(line)
        await trio.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)  # as if somebody had stopped the process
        await trio.sleep(0.05)
        try:
            await ref.tell("too late")
        except Stopped as error:
            print("refused:", error)
        await root.stopped.wait()
        nursery.cancel_scope.cancel(reason="the tree has ended")


trio.run(main)
