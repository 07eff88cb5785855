"""The store actor: one owner of the database, whose work is done in a thread."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import trio

from actors import OutcomeUnknown, Ref, Request
from arawn.errors import ArawnError, StoreFailed
from arawn.threads import RunInThread
from arawn.workstreams.store import WorkstreamStore

__all__ = ["Query", "StoreHealth", "StoreTimeout", "open_store", "written"]

LOOK_S = 5.0  # how often the file is looked at
_WRITE_S = 30.0  # how long a write may take
_LOG = logging.getLogger("arawn.workstreams")

R = TypeVar("R")
T = TypeVar("T")


class Query(msgspec.Struct, Request[R], Generic[R], frozen=True):
    """Ask the store actor to run `run` on the store; the reply is what it returns.

    With `reads` it writes nothing, and fails with no write beside it.
    """

    run: Callable[[WorkstreamStore], R]
    reads: bool = False


class StoreTimeout(OutcomeUnknown):
    """The database did not answer in time: what was to be written may be written."""


async def written(store: Ref[Query[Any]], write: Callable[[WorkstreamStore], R]) -> R:
    """Have the store actor run `write`, and return what that returns.

    Raises:
        StoreTimeout: It did not answer within 30 s; a warning said so.
        StoreFailed: As `write`; or the database cannot be written.
        ActorError: The store has stopped.

    Checkpoint: always.
    If cancelled: it takes its time all the same.
    """
    with trio.move_on_after(_WRITE_S, shield=True):
        return await store.ask(Query(write))
    words = f"the workstream database did not answer within {_WRITE_S:g} s"
    _LOG.warning("%s", words)
    raise StoreTimeout(f"{words}: what was to be kept may be kept; look at the conversation before you send it again")


class StoreHealth:
    """What is wrong with the database, in a sentence, as the store actor saw it last; anyone reads it."""

    def __init__(self) -> None:
        self.fault: str | None = None

    def saw(self, fault: str | None) -> None:
        """Keep what was seen; what has changed is told, once."""
        if fault != self.fault:
            self.fault = fault
            _LOG.warning("%s", fault or "the workstream database can be used again")


@asynccontextmanager
async def open_store(
    path: Path,
    health: StoreHealth | None = None,
    *,
    held_at_once: bool = False,
    run_in_thread: RunInThread = trio.to_thread.run_sync,
) -> AsyncIterator[Callable[[list[Query[Any]]], Awaitable[list[Any]]]]:
    """Open the database and yield the handler of batches of queries, which are run one after another.

    What a batch writes goes to the disk together. A query that fails undoes itself alone; a failed commit fails all.
    The lock of the database is held from the start to the end, so that nobody else changes what is kept in memory.
    Every `LOOK_S` the file is looked at: whether it is still there and a database. If not, a warning says so once.

    Args:
        path: Of the database.
        health: Where what is seen is kept.
        held_at_once: Whether the start fails when another process has the lock. Otherwise every query asks for it
            again, and fails until it is free: enough for a command that has no conversation.
        run_in_thread: Runs what may block on the disk.

    Raises:
        StoreFailed: The database cannot be opened; or another process has it.

    Checkpoint: always.
    If cancelled: a batch that has begun ends first.
    """
    health = health or StoreHealth()
    store = await run_in_thread(partial(_opened, path, held_at_once=held_at_once))

    async def handle(queries: list[Query[Any]]) -> list[Any]:
        return await run_in_thread(partial(_run_all, store, queries))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep_looking, store, health, run_in_thread)
            yield handle
            nursery.cancel_scope.cancel(reason="the store is stopping")
    finally:
        health.saw(store.fault())
        store.close()


async def _keep_looking(store: WorkstreamStore, health: StoreHealth, run_in_thread: RunInThread) -> None:
    """Look at the file, for ever.

    Checkpoint: always. If cancelled: a look that has begun ends first.
    """
    while True:
        health.saw(await run_in_thread(store.fault))
        await trio.sleep(LOOK_S)


def _opened(path: Path, *, held_at_once: bool) -> WorkstreamStore:
    store = WorkstreamStore(path)
    try:
        store.hold()
    except StoreFailed:
        if held_at_once:
            store.close()
            raise
    return store


def _run_all(store: WorkstreamStore, queries: list[Query[Any]]) -> list[Any]:
    """Return the result of each query, or the error it raised; those that only read need no lock and no commit."""
    done = {place: _run(store, query) for place, query in enumerate(queries) if query.reads}
    writes = {place: query for place, query in enumerate(queries) if not query.reads}
    try:
        done |= zip(writes, _written(store, list(writes.values())), strict=True)
    except StoreFailed as error:
        if not done:
            raise
        done |= dict.fromkeys(writes, error)
    return [done[place] for place in range(len(queries))]


def _written(store: WorkstreamStore, queries: list[Query[Any]]) -> list[Any]:
    """Return the results of queries that may write, whose work goes to the disk together.

    Raises:
        StoreFailed: Another process has the lock, or the commit failed: none of them is done.
    """
    if not queries:
        return []
    store.hold()
    if len(queries) == 1:
        return [_run(store, queries[0])]
    with store.group():
        return [_run(store, query) for query in queries]


def _run(store: WorkstreamStore, query: Query[Any]) -> Any:
    try:
        return query.run(store)
    except ArawnError as error:
        return error
