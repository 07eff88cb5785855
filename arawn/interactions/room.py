"""A budget of bytes for what is on its way to the log: whoever finds no room waits, first come first served."""

from __future__ import annotations

from collections import deque

import msgspec
import trio

__all__ = ["Room"]


class _Waiting(msgspec.Struct, eq=False):
    """One task that waits for `size` bytes."""

    size: int
    admitted: trio.Event


class Room:
    """So many bytes may be held at a time; something larger than all of it passes alone."""

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: Bytes, > 0.

        Raises:
            ValueError: If it is not.
        """
        if limit <= 0:
            raise ValueError(f"need limit > 0, got {limit}")
        self.limit = limit
        self.held = 0
        self._queue: deque[_Waiting] = deque()

    def __repr__(self) -> str:
        return f"<Room {self.held} of {self.limit} B held, {len(self._queue)} waiting>"

    def take_nowait(self, size: int, *, leaving: int = 0) -> bool:
        """Take `size` bytes if they are free, with `leaving` bytes to spare, and nobody waits; say whether."""
        if self._queue or (self.held and self.held + size + leaving > self.limit):
            return False
        self.held += size
        return True

    async def take(self, size: int) -> None:
        """Take `size` bytes as soon as they are free, in the order in which they were asked for.

        Checkpoint: only when it must wait.
        If cancelled: nothing was taken.
        """
        if self.take_nowait(size):
            return
        waiting = _Waiting(size, trio.Event())
        self._queue.append(waiting)
        try:
            await waiting.admitted.wait()
        except BaseException:
            if waiting.admitted.is_set():  # in the very moment in which it gave up
                self.give_back(size)
            else:
                self._queue.remove(waiting)
                self._admit()  # whoever stood behind may fit
            raise

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self.held -= size
        if self._queue:
            self._admit()

    def _admit(self) -> None:
        while self._queue and (not self.held or self.held + self._queue[0].size <= self.limit):
            first = self._queue.popleft()
            self.held += first.size
            first.admitted.set()
