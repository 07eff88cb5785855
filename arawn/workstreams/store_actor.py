"""The store actor: one owner of the database, whose work is done in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import trio

from actors import Request
from arawn.threads import RunInThread
from arawn.workstreams.store import WorkstreamStore

__all__ = ["Query", "open_store"]

R = TypeVar("R")
T = TypeVar("T")


class Query(Request[R], Generic[R]):
    """Ask the store actor to run `run` on the store; the reply is what it returns."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[WorkstreamStore], R]) -> None:
        self.run = run


@asynccontextmanager
async def open_store(
    path: Path, *, run_in_thread: RunInThread = trio.to_thread.run_sync
) -> AsyncIterator[Callable[[Query[Any]], Awaitable[Any]]]:
    """Open the database and yield the handler of queries, which are run one after another.

    Raises:
        StoreFailed: The database cannot be opened.

    Checkpoint: always.
    If cancelled: a query that has begun ends first.
    """
    store = await run_in_thread(partial(WorkstreamStore, path))

    async def handle(query: Query[Any]) -> Any:
        return await run_in_thread(partial(query.run, store))

    try:
        yield handle
    finally:
        store.close()
