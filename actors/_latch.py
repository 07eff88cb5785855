"""Something that happens once, and may be waited for."""

from __future__ import annotations

import trio

__all__ = ["Latch"]


class Latch:
    """A `trio.Event` that weighs a sixth of one until somebody waits for it, as hardly anybody ever does."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: trio.Event | None = None

    @trio.lowlevel.enable_ki_protection  # a stop that waits for it would wait for ever
    def set(self) -> None:
        """Let everybody who waits, or will wait, go on."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    def is_set(self) -> bool:
        """Say whether it has happened."""
        return self._is_set

    async def wait(self) -> None:
        """Wait until it has happened.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        if self._is_set:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
