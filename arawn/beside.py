"""Tasks that run beside a block, for as long as it lasts, and change nothing about how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["open_beside"]


@asynccontextmanager
async def open_beside() -> AsyncIterator[trio.Nursery]:
    """Yield a nursery that ends with the block; what the block raises leaves it as it is, not in a group.

    Checkpoint: always, on leaving. If cancelled: so are the block and its tasks.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # noqa: BLE001  # raised below, outside the nursery and its groups
            failure = error
        nursery.cancel_scope.cancel(reason="the block has ended")
    try:
        if failure is not None:
            raise failure
    finally:
        del failure  # it has this frame, which would keep it
