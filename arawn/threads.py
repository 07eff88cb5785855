"""The seam through which blocking work leaves the event loop; tests on the virtual clock do it in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import trio

from arawn.beside import open_beside

__all__ = ["RunInThread", "abandonable", "run_patiently"]

T = TypeVar("T")

_THREADS = 8


class RunInThread(Protocol):
    """`trio.to_thread.run_sync`, or what stands in for it in tests."""

    def __call__(self, sync_fn: Callable[[], T], /) -> Awaitable[T]:
        """Run `sync_fn` off the event loop and return its result; not abandoned on cancellation."""
        ...


def abandonable(run_in_thread: RunInThread) -> RunInThread:
    """Return a runner whose threads go on without us when we are cancelled; stand-ins have no such choice.

    It has threads of its own: name look-ups and the like may have taken all of trio's.
    """
    if run_in_thread is not trio.to_thread.run_sync:
        return run_in_thread
    return partial(trio.to_thread.run_sync, abandon_on_cancel=True, limiter=trio.CapacityLimiter(_THREADS))


async def run_patiently(run_in_thread: RunInThread, work: Callable[[], T], hung_s: float) -> T:
    """Run `work` in a thread; when cancelled, wait for its end all the same, but not on a disk that hangs.

    Args:
        run_in_thread: An `abandonable` runner.
        work: What to run; whatever it raises is raised here, bare.
        hung_s: Seconds after which a cancelled caller leaves the thread behind.

    Checkpoint: always.
    If cancelled: it has ended, or is left behind in its thread after `hung_s`.
    """
    results: list[T] = []
    async with open_beside() as nursery:
        with trio.CancelScope(shield=True) as patience:
            nursery.start_soon(_limit_once_cancelled, patience, hung_s)  # noqa: ASYNC111  # it only moves the deadline
            results.append(await run_in_thread(work))
    if not results:
        await trio.lowlevel.checkpoint_if_cancelled()
    return results[0]


async def _limit_once_cancelled(patience: trio.CancelScope, hung_s: float) -> None:
    """Give `patience` a deadline once this task is cancelled."""
    try:
        await trio.sleep_forever()
    except trio.Cancelled:  # noqa: ASYNC103  # not lost: the parent meets it again once the thread has ended
        patience.deadline = trio.current_time() + hung_s
