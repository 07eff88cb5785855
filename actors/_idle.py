"""When actors on demand have had nothing to do for long enough."""

from __future__ import annotations

from collections import OrderedDict
from itertools import takewhile
from typing import Protocol

import trio

__all__ = ["IdleTimes"]


class Idler(Protocol):
    """What is waited with: an actor's seat."""

    def end_idle(self) -> None:
        """End the incarnation, unless a worker of it is busy: that one will come back here."""


class IdleTimes:
    """Who waits for mail since when, the longest first: one task watches the time for all of them.

    A deadline of its own for each costs a kilobyte, and much of what waiting for a message takes.
    """

    def __init__(self, idle_after: float) -> None:
        self._idle_after = idle_after
        self._since: OrderedDict[Idler, float] = OrderedDict()  # whose first is quick to find after many have gone
        self._entered = trio.Event()

    def enter(self, idler: Idler) -> None:
        """Begin the idler's time now, or begin it anew."""
        self._since.pop(idler, None)
        self._since[idler] = trio.current_time()
        self._entered.set()

    def leave(self, idler: Idler) -> None:
        """End its time, if it runs: there is mail, or it is over."""
        self._since.pop(idler, None)

    async def watch(self) -> None:
        """End whoever has been idle for long enough, for ever.

        Checkpoint: always. If cancelled: the times stay as they are.
        """
        while True:
            if not self._since:
                self._entered = trio.Event()
                await self._entered.wait()
            else:
                await trio.sleep_until(next(iter(self._since.values())) + self._idle_after)
            for idler in self._due(trio.current_time()):
                del self._since[idler]
                idler.end_idle()

    def _due(self, now: float) -> list[Idler]:
        """Return whose time is over, by the very sum that is slept until: no rounding in between."""
        over = takewhile(lambda entry: now >= entry[1] + self._idle_after, self._since.items())
        return [idler for idler, _ in over]
