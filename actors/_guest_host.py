"""A trio run that a synchronous test drives by hand."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio
from trio.testing import MockClock

__all__ = ["GuestHost", "Job"]

T = TypeVar("T")

_PUMP_LIMIT_S = 20.0  # real seconds without a callback: the run under test hangs


class Job(Generic[T]):
    """One call running inside a `GuestHost`.

    Attributes:
        scope: Its cancel scope.
        done: Whether it has ended: by a `value`, an `error`, or `cancelled`.
        value: What it returned; None before that.
        error: What it raised.
        cancelled: Whether its scope was cancelled, and that ended it.
    """

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.done = False
        self.cancelled = False
        self.value: T | None = None
        self.error: Exception | None = None

    async def run(self, async_fn: Callable[[], Awaitable[T]]) -> None:
        """Keep what `async_fn` gives.

        Checkpoint: as `async_fn`.
        If cancelled: by `scope`, it has ended as `cancelled`; by the end of the host, it is never `done`.
        """
        try:
            with self.scope:
                self.value = await async_fn()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.error = error
        self.cancelled = self.scope.cancelled_caught
        self.done = True


class GuestHost:
    """A trio run in guest mode under a clock moved by hand, for tests that are synchronous.

    A thread has one at a time, and `close` ends it. `advance` moves the clock; nothing else does until `close`.
    """

    def __init__(self) -> None:
        self.clock = MockClock()
        self._callbacks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._running = True
        self._nursery: trio.Nursery | None = None
        trio.lowlevel.start_guest_run(
            self._root,
            run_sync_soon_threadsafe=self._callbacks.put,
            done_callback=self._ended,
            host_uses_signal_set_wakeup_fd=True,  # several hosts may live in one test process
            clock=self.clock,
        )
        while self._nursery is None:
            self._step()

    async def _root(self) -> None:
        async with trio.open_nursery() as self._nursery:
            await trio.sleep_forever()

    def _ended(self, _outcome: object) -> None:
        self._running = False

    async def _end(self) -> None:
        assert self._nursery is not None
        self.clock.autojump_threshold = 0
        self._nursery.cancel_scope.cancel(reason="the guest host is closed")

    def _step(self) -> None:
        try:
            callback = self._callbacks.get(timeout=_PUMP_LIMIT_S)
        except queue.Empty:
            raise AssertionError(f"the run under test has done nothing for {_PUMP_LIMIT_S:g} s: it hangs") from None
        callback()

    def start(self, async_fn: Callable[[], Awaitable[T]]) -> Job[T]:
        """Call `async_fn` in a task of its own and go on until every task waits; the job may not be done then."""
        job: Job[T] = Job()
        assert self._nursery is not None
        self._nursery.start_soon(job.run, async_fn)
        self.settle()
        return job

    def settle(self) -> None:
        """Go on until every task waits for something."""
        probe: Job[None] = Job()
        assert self._nursery is not None
        self._nursery.start_soon(probe.run, trio.testing.wait_all_tasks_blocked)
        while not probe.done:
            self._step()

    def advance(self, seconds: float) -> None:
        """Move the clock, and go on until every task waits for something."""
        self.clock.jump(seconds)
        self.settle()

    def close(self) -> None:
        """Cancel what still runs and end the trio run; clean-ups that sleep find that time passes by itself.

        Raises:
            AssertionError: The run does not end: a clean-up waits for something that never comes.
        """
        assert self._nursery is not None
        self._nursery.start_soon(self._end)
        while self._running:
            self._step()
