"""The store actor: one owner of the database, whose work is done in a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import trio

from actors import Request
from arawn.errors import ArawnError
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
) -> AsyncIterator[Callable[[list[Query[Any]]], Awaitable[list[Any]]]]:
    """Open the database and yield the handler of batches of queries, which are run one after another.

    What a batch writes goes to the disk together. A query that fails undoes itself alone; a failed commit fails all.

    Raises:
        StoreFailed: The database cannot be opened.

    Checkpoint: always.
    If cancelled: a batch that has begun ends first.
    """
    store = await run_in_thread(partial(WorkstreamStore, path))

    async def handle(queries: list[Query[Any]]) -> list[Any]:
        return await run_in_thread(partial(_run_all, store, queries))

    try:
        yield handle
    finally:
        store.close()


def _run_all(store: WorkstreamStore, queries: list[Query[Any]]) -> list[Any]:
    """Return the result of each query, or the error it raised."""
    if len(queries) == 1:
        return [_run(store, queries[0])]
    with store.group():
        return [_run(store, query) for query in queries]


def _run(store: WorkstreamStore, query: Query[Any]) -> Any:
    try:
        return query.run(store)
    except ArawnError as error:
        return error
