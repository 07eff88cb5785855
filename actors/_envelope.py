"""Messages on their way: bare if they were told, or asked in the one-shot cell that the asker waits on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any, Generic, Literal, TypeAlias, TypeVar, final

import msgspec
import trio

from actors.errors import ActorError, OutcomeUnknown

M = TypeVar("M")

AskState = Literal["queued", "taken", "done", "abandoned"]


@final
class Asked(msgspec.Struct, Generic[M], eq=False):
    """A message with its fate; exactly one of `reply`, `fail` or `abandon` ends it.

    The asker parks on the envelope itself (no channel, no event): `reply` and `fail` wake it directly and never block.
    """

    message: M
    state: AskState = "queued"
    value: Any = None
    error: Exception | None = None
    asker: trio.lowlevel.Task | None = None
    on_abandoned: Callable[[], None] | None = None
    on_done: Callable[[], None] | None = None

    def reply(self, value: object) -> None:
        """End with a value; does nothing if the asker is gone or has its answer."""
        if self.state == "taken" or self.state == "queued":  # noqa: PLR1714  # cheaper than a set
            self.value = value
            self._end()

    def fail(self, error: Exception) -> None:
        """End with an error; does nothing if the asker is gone or has its answer."""
        if self.state == "taken" or self.state == "queued":  # noqa: PLR1714  # cheaper than a set
            self.error = error
            self._end()

    def _end(self) -> None:
        self.state = "done"
        if self.asker is not None:
            try:
                trio.lowlevel.reschedule(self.asker)
            except AssertionError as error:  # so trio refuses the task of another run
                raise RuntimeError("the asker waits in another trio run, where nobody can wake it from here") from error
            self.asker = None
        if self.on_done is not None:
            notify(self.on_done)

    async def wait(self) -> Any:
        """Wait for the end and return the value or raise the error.

        Checkpoint: always.
        If cancelled: the envelope is abandoned; an `on_abandoned` hook is told at once.

        Raises:
            OutcomeUnknown: It was abandoned before.
            ActorError: It was waited for before, and its error was raised there.
            trio.BusyResourceError: Another task waits already.
        """
        if self.state == "done":
            await trio.lowlevel.cancel_shielded_checkpoint()  # what is there is given, as to one that waited
        elif self.state == "abandoned":
            await trio.lowlevel.checkpoint()
            raise OutcomeUnknown("waiting for a reply that was abandoned: whether it was handled is not known")
        elif self.asker is not None:
            await trio.lowlevel.checkpoint()
            raise trio.BusyResourceError("another task waits for this reply")
        else:
            self.asker = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._wait_cancelled)
        if self.error is not None:
            try:
                raise self.error
            finally:  # it has the frames that it passes, and they have this: kept here, all would outlive the call
                self.error = ActorError(f"this reply was waited for before, and raised {type(self.error).__name__}")
        return self.value

    def _wait_cancelled(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.asker = None
        self.abandon()
        return trio.lowlevel.Abort.SUCCEEDED

    def abandon(self) -> None:
        """Say that nobody waits for the reply any more; does nothing once it is there. Who does is told."""
        if self.state in {"queued", "taken"}:
            self.state = "abandoned"
            if self.asker is not None:
                self.error = OutcomeUnknown(
                    "another task abandoned this reply: whether its message is handled is not known"
                )
                trio.lowlevel.reschedule(self.asker)
                self.asker = None
            if self.on_abandoned is not None:
                self.on_abandoned()


Mail: TypeAlias = M | Asked[M]  # what is told has no envelope: that would be a tenth of its price


class NoMail(Enum):
    """Stands for "nothing" where any object may be a message, None too."""

    NO_MAIL = "no mail"


NO_MAIL = NoMail.NO_MAIL


def content(mail: Mail[M]) -> M:
    """Return the message itself.

    Whether mail was asked is seen by its type: `isinstance` would ask the message, and a proxy may raise at that.
    """
    return mail.message if type(mail) is Asked else mail


def about(actor: str, message: object, why: str) -> str:
    """Word an error about a message: its type's name, never its content."""
    return f"`{type(message).__name__}` to actor `{actor}`: {why}"


def notify(callback: Callable[[], None]) -> None:
    """Call; what it raises is its owner's bug: it is logged, for there is nobody to raise it to, and hurts no actor."""
    try:
        callback()
    except Exception:
        logging.getLogger("actors").exception("a `when_done` callback raised")
