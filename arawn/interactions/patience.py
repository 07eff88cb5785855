"""Waits for replies that end after so many seconds: one task looks at all of them.

A cancel scope for each wait would cost as much as building the line that it waits for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import OutcomeUnknown, Reply

__all__ = ["Patience", "open_patience"]


class _Wait(msgspec.Struct, eq=False, gc=False):
    """One wait that began: for a reply, None when it is over; `until` is on trio's clock."""

    until: float
    reply: Reply[None] | None
    in_vain: bool = False


class Patience:
    """Waits of equal length. Use `open_patience` to make one."""

    def __init__(self, seconds: float) -> None:
        """Begin with nobody waiting.

        Args:
            seconds: How long each waits, >= 0; with 0 nobody waits, and there is nothing to open.
        """
        self.seconds = seconds
        self._waits: deque[_Wait] = deque()  # in the order in which they end
        self._begun = trio.Event()

    async def wait(self, reply: Reply[None]) -> bool:
        """Wait for `reply`, but not for ever; say whether it came. It is abandoned if not.

        Raises:
            ActorError: As `Reply.wait`.

        Checkpoint: always.
        If cancelled: the reply is abandoned.
        """
        wait = _Wait(trio.current_time() + self.seconds, reply)
        if not self._waits:
            self._begun.set()
        self._waits.append(wait)
        try:
            await reply.wait()
        except OutcomeUnknown:
            if wait.in_vain:
                return False
            raise
        finally:
            wait.reply = None
            while self._waits and self._waits[0].reply is None:
                self._waits.popleft()
        return True

    async def end_overdue(self) -> None:
        """End the waits whose time has come; never returns.

        Checkpoint: always. If cancelled: those who wait do so for ever.
        """
        while True:
            if not self._waits:
                self._begun = trio.Event()
                await self._begun.wait()
            if self._waits:
                await trio.sleep_until(self._waits[0].until)
            now = trio.current_time()
            for wait in [wait for wait in self._waits if wait.until <= now]:
                if wait.reply is not None and not wait.reply.done:
                    wait.in_vain = True
                    wait.reply.abandon()


@asynccontextmanager
async def open_patience(seconds: float) -> AsyncIterator[Patience]:
    """Yield waits of so many seconds, which end for the length of the block.

    Checkpoint: always.
    If cancelled: waits go on ending until the block has ended.
    """
    patience = Patience(seconds)
    scope = trio.CancelScope(shield=True)
    failure: BaseException | None = None

    async def end_overdue() -> None:
        with scope:
            await patience.end_overdue()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_overdue)
        try:
            yield patience
        except BaseException as error:  # noqa: BLE001, ASYNC103  # raised below: a nursery would put it into a group
            failure = error
        scope.cancel(reason="nobody waits any more")
    if failure is not None:
        raise failure
