"""A process for the tests to kill: a tree that drains on the first SIGTERM and hurries on the second."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from actors import ChildSpec, Supervisor, SupervisorSpec, open_supervisor

CLEANUP_S = float(sys.argv[2])


@asynccontextmanager
async def sleeper() -> AsyncIterator[Any]:
    print("sleeper started", flush=True)
    yield trio.sleep
    print("sleeper cleans up", flush=True)
    await trio.sleep(CLEANUP_S)
    print("sleeper cleaned up", flush=True)


@asynccontextmanager
async def owner() -> AsyncIterator[Any]:
    """Own a child process that ends with its standard input: whatever becomes of this process."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdin=subprocess.PIPE)
        process: trio.Process = await nursery.start(run)
        print(f"child {process.pid}", flush=True)
        yield trio.sleep
        nursery.cancel_scope.cancel()
    print("owner cleaned up", flush=True)


async def stop_on_signals(root: Supervisor) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        print("ready", flush=True)
        grace = float(sys.argv[1])
        async for _ in signals:
            print(f"stopping within {grace:g} s", flush=True)
            root.request_stop(grace)
            grace = 0.0


async def main() -> None:
    try:
        await tree()
    finally:
        print("tree ended", flush=True)


async def tree() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root, trio.open_nursery() as nursery:
        await root.start(ChildSpec(name="owner", start=owner, mailbox=1))
        ref = await root.start(ChildSpec(name="sleeper", start=sleeper, mailbox=1))
        await ref.tell(3600.0)
        nursery.start_soon(stop_on_signals, root)
        await root.stopped.wait()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
