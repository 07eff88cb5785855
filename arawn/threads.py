"""The seam through which blocking work leaves the event loop; tests on the virtual clock do it in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

__all__ = ["RunInThread"]

T = TypeVar("T")


class RunInThread(Protocol):
    """`trio.to_thread.run_sync`, or what stands in for it in tests."""

    def __call__(self, sync_fn: Callable[[], T], /) -> Awaitable[T]:
        """Run `sync_fn` off the event loop and return its result; not abandoned on cancellation."""
        ...
