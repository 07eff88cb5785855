"""The served API in front of a whole runtime, and work that blocks beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from arawn.config.schema import Profile
from arawn.server.auth import Door
from tests.runtimes import configured, records, running
from tests.serving import app_of, serving

TOKEN = "secret"
T = TypeVar("T")


@asynccontextmanager
async def open_api(
    directory: Path, profiles: Mapping[str, Profile], environ: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """Serve the API of a runtime with these profiles, as the daemon does, and yield its address."""
    async with running(configured(directory, profiles), environ, waits_for_room=False) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            yield served.url


async def beside(work: Callable[[], T]) -> T:
    """Run blocking work, such as a synchronous client, in a thread."""
    return await trio.to_thread.run_sync(work)


async def beside_asyncio(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """Run work of asyncio in a thread with a loop of its own."""
    return await trio.to_thread.run_sync(lambda: asyncio.run(work()))


async def recorded(directory: Path) -> None:
    """Wait until there is a record, which a call that was left gets when nobody waits for it."""
    with trio.fail_after(5):
        while not records(directory):  # noqa: ASYNC110  # it is seen in the file
            await trio.sleep(0.01)
