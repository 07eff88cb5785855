"""The first delta of a streamed answer goes out behind what is known of the answer by then."""

from __future__ import annotations

from collections.abc import Callable

from arawn.backends.protocol import Emit
from arawn.messages import Begun, StreamEvent

__all__ = ["announced"]


def announced(emit: Emit, begun: Callable[[], Begun]) -> Emit:
    """Return what hands every event on to `emit`, the first of them behind what `begun` then returns."""
    first = True

    async def hand_on(event: StreamEvent | Begun) -> None:
        nonlocal first
        if first:
            first = False
            await emit(begun())
        await emit(event)

    return hand_on
