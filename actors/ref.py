"""The handle to an actor: all that other code ever holds of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from actors._envelope import Asked, Mail, notify
from actors.spec import Request
from actors.status import Status

if TYPE_CHECKING:
    from actors._seat import ActorSeat

__all__ = ["Ref", "Reply"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Ref(Generic[M_contra]):
    """Names an actor's seat, not an incarnation: it stays valid across restarts and passivation.

    After the final stop every send fails at once with `Stopped`.
    """

    __slots__ = ("_label", "_offer", "_present", "_seat", "name")

    def __init__(
        self,
        parent: str,
        label: str,
        offer: Callable[[Mail[Any]], bool],
        seat: Callable[[], ActorSeat[Any]],
        present: Callable[[], ActorSeat[Any] | None],
    ) -> None:
        """Supervisors make these: `seat` finds the actor, started if need be, `present` only if there is one.

        `offer` is that of the actor's mailbox, which is the same for good; an actor on demand is looked up for it.
        """
        self._offer = offer
        self.name = f"{parent}/{label}"
        self._label = label
        self._seat = seat
        self._present = present

    def __repr__(self) -> str:
        return f"<Ref {self.name}>"

    async def tell(self, message: M_contra) -> None:
        """Send without waiting for the handler.

        Checkpoint: only when the mailbox is full (it then waits for room) or refuses mail.
        If cancelled: the message was not sent.

        Raises:
            Stopped, Restarting: It was not sent and will not be handled.
        """
        if not self._offer(message):
            await self._seat().mailbox.put(message)

    def tell_nowait(self, message: M_contra) -> None:
        """Send without waiting at all.

        Raises:
            MailboxFull: No room; nothing was sent.
            Stopped, Restarting: As for `tell`.
        """
        self._seat().mailbox.put_nowait(message)

    async def ask(self, message: Request[R]) -> R:
        """Send and wait for the handler's reply. There is no time limit: use `trio.fail_after`.

        Checkpoint: always.
        If cancelled: while it waits for room, nothing was sent; afterwards the spec's `abandoned` decides.

        Raises:
            NotStarted: The handler did not run; safe to send again.
            HandlerFailed: It ran and crashed.
            OutcomeUnknown: It was cancelled while it ran.
            AskCycle: The reply would wait for itself.
            Exception: One of the spec's `reply_errors`, as the handler raised it.
        """
        asked: Asked[Request[R]] = Asked(message)
        try:
            reply: R = await self._seat().ask(asked)
        except Exception:
            asked.error = None  # breaks the cycle error -> traceback -> frame -> envelope
            raise
        return reply

    async def submit(self, message: Request[R]) -> Reply[R]:
        """Send, and return the reply still to come; for callers with something to do in between.

        Unlike `ask` it does not look for cycles.

        Checkpoint: only when the mailbox is full or refuses mail.
        If cancelled: nothing was sent.

        Raises:
            Stopped, Restarting: It was not sent and will not be handled.
        """
        asked: Asked[Request[R]] = Asked(message)
        await self._seat().mailbox.put(asked)
        return Reply(asked)

    def submit_nowait(self, message: Request[R]) -> Reply[R]:
        """Send without waiting for room, and return the reply still to come.

        Raises:
            MailboxFull: No room; nothing was sent.
            Stopped, Restarting: As for `submit`.
        """
        asked: Asked[Request[R]] = Asked(message)
        self._seat().mailbox.put_nowait(asked)
        return Reply(asked)

    async def stop(self, grace: float | None = None) -> None:
        """Stop the actor for good: refuse mail at once, let queued mail finish for `grace` seconds, then cancel.

        Args:
            grace: Seconds, >= 0; None takes `stop_grace` of the spec.

        Checkpoint: always.
        If cancelled: the stop goes on without this caller.
        """
        seat = self._present()
        if seat is None:
            await trio.lowlevel.checkpoint()
        else:
            await seat.stop(grace)

    def status(self) -> Status:
        """Return a snapshot; synchronous and free of side effects."""
        seat = self._present()
        return Status(name=self._label, kind="actor", state="passive") if seat is None else seat.status()


class Reply(Generic[R]):
    """The reply to one submitted message."""

    __slots__ = ("_asked",)

    def __init__(self, asked: Asked[Request[R]]) -> None:
        self._asked = asked

    async def wait(self) -> R:
        """Wait for the reply; one task at a time. A value is there again for who waits again, an error is raised once.

        Checkpoint: always.
        If cancelled: as `abandon`.

        Raises:
            ActorError, Exception: As for `Ref.ask`; `OutcomeUnknown` if it was abandoned before, `ActorError` itself
                if its error was raised before.
        """
        value: R = await self._asked.wait()
        return value

    @property
    def done(self) -> bool:
        """Whether the reply is there: then `wait` gives it without waiting, even to a cancelled caller."""
        return self._asked.state == "done"

    def abandon(self) -> None:
        """Say that nobody will wait: the spec's `abandoned` decides what becomes of the work."""
        self._asked.abandon()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` (one; it must not block) as soon as the reply is there; at once if it is.

        It is not called for a reply that was abandoned before it came. What it raises is logged by the logger `actors`.
        """
        if self._asked.state == "done":
            notify(callback)
        else:
            self._asked.on_done = callback
