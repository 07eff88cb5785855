"""One message on its way, and the one-shot cell its asker waits on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import trio

M = TypeVar("M")

State = Literal["queued", "taken", "done", "abandoned"]


class Envelope(Generic[M]):
    """A message with its fate; exactly one of `reply`, `fail` or the asker's cancellation ends it.

    The asker parks on the envelope itself (no channel, no event): `reply` and `fail` wake it directly and never block.
    """

    __slots__ = ("_asker", "_error", "_value", "asked", "message", "on_abandoned", "on_done", "state")

    def __init__(self, message: M, *, asked: bool) -> None:
        self.message = message
        self.asked = asked
        self.state: State = "queued"
        self.on_abandoned: Callable[[], None] | None = None
        self.on_done: Callable[[], None] | None = None
        self._asker: trio.lowlevel.Task | None = None
        self._value: Any = None
        self._error: Exception | None = None

    def reply(self, value: object) -> None:
        """End with a value; does nothing if the asker is gone."""
        self._value = value
        self._end()

    def fail(self, error: Exception) -> None:
        """End with an error; does nothing if the asker is gone."""
        self._error = error
        self._end()

    def _end(self) -> None:
        if self.state == "abandoned":
            return
        self.state = "done"
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None
        if self.on_done is not None:
            self.on_done()

    async def wait(self) -> Any:
        """Wait for the end and return the value or raise the error.

        Checkpoint: always.
        If cancelled: the envelope is abandoned; an `on_abandoned` hook is told at once.
        """
        if self.state == "done":
            await trio.lowlevel.checkpoint()
        else:
            self._asker = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        if self._error is not None:
            error, self._error = self._error, None  # breaks the cycle error -> traceback -> frame -> envelope
            raise error
        return self._value

    def _abandon(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._asker = None
        self.abandon()
        return trio.lowlevel.Abort.SUCCEEDED

    def abandon(self) -> None:
        """Say that nobody waits for the reply any more; does nothing once it is there."""
        if self.state in {"queued", "taken"}:
            self.state = "abandoned"
            if self.on_abandoned is not None:
                self.on_abandoned()


def about(actor: str, message: object, why: str) -> str:
    """Word an error about a message: its type's name, never its content."""
    return f"`{type(message).__name__}` to actor `{actor}`: {why}"
