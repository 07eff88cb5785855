"""The first delta of a streamed answer goes out behind what is known of the answer by then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from arawn.backends.protocol import Emit
from arawn.messages import Begun, StreamEvent

__all__ = ["announced"]


def announced(emit: Emit, begun: Callable[[], Begun]) -> Emit:
    """Return what hands every event on to `emit`, the first of them behind what `begun` then returns."""
    first = True

    def hand_on(event: StreamEvent | Begun) -> Awaitable[None] | None:
        nonlocal first
        if not first:
            return emit(event)
        first = False
        return _emit_both(emit, begun(), event)

    return hand_on


async def _emit_both(emit: Emit, begun: Begun, event: StreamEvent | Begun) -> None:
    for one in (begun, event):
        if (waiting := emit(one)) is not None:
            await waiting
