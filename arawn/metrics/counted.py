"""A backend whose calls are counted: the one place that sees each of them begin and end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from arawn.backends.actor import Call
from arawn.backends.attempt import ReaderGone
from arawn.messages import CompletionResponse
from arawn.metrics.counts import Ending, ProfileCounts

__all__ = ["open_counted"]

CallHandler = Callable[[Call], Awaitable[CompletionResponse]]


@asynccontextmanager
async def open_counted(
    open_backend: Callable[[], AbstractAsyncContextManager[CallHandler]], counts: ProfileCounts
) -> AsyncIterator[CallHandler]:
    """Open a backend and yield its handler, which counts every call however it ends.

    A call that nobody waited for any more when its turn came was never begun, and is not counted.

    Args:
        open_backend: Opens one incarnation.
        counts: The numbers of its profile.

    Raises:
        Exception: As `open_backend`.

    Checkpoint: as `open_backend`.
    If cancelled: as `open_backend`.
    """
    async with open_backend() as handle:

        async def counted(call: Call) -> CompletionResponse:
            ending: Ending = "error"
            try:
                response = await handle(call)
            except (trio.Cancelled, ReaderGone):
                ending = "cancelled"
                raise
            else:
                ending = "ok"
                return response
            finally:
                counts.count_call(ending, seconds=max(0.0, trio.current_time() - call.sent_at))

        yield counted
