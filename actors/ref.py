"""The handle to an actor: all that other code ever holds of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from actors._envelope import Envelope
from actors.spec import Request
from actors.status import Status

if TYPE_CHECKING:
    from actors._seat import ActorSeat

__all__ = ["Ref"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Ref(Generic[M_contra]):
    """Names an actor's seat, not an incarnation: it stays valid across restarts and passivation.

    After the final stop every send fails at once with `Stopped`.
    """

    __slots__ = ("_seat", "name")

    def __init__(self, name: str, seat: Callable[[], ActorSeat[Any]]) -> None:
        self.name = name
        self._seat = seat

    def __repr__(self) -> str:
        return f"<Ref {self.name}>"

    async def tell(self, message: M_contra) -> None:
        """Send without waiting for the handler.

        Checkpoint: only when the mailbox is full (it then waits for room).
        If cancelled: the message was not sent.

        Raises:
            Stopped, Restarting: It was not sent and will not be handled.
        """
        await self._seat().put(Envelope(message, asked=False))

    def tell_nowait(self, message: M_contra) -> None:
        """Send without waiting at all.

        Raises:
            MailboxFull: No room; nothing was sent.
            Stopped, Restarting: As for `tell`.
        """
        self._seat().put_nowait(Envelope(message, asked=False))

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
        envelope: Envelope[Request[R]] = Envelope(message, asked=True)
        reply: R = await self._seat().ask(envelope)
        return reply

    async def stop(self, grace: float | None = None) -> None:
        """Stop the actor for good: refuse mail at once, let queued mail finish for `grace` seconds, then cancel.

        Args:
            grace: Seconds, >= 0; None takes `stop_grace` of the spec.

        Checkpoint: always.
        If cancelled: the stop goes on without this caller.
        """
        await self._seat().stop(grace)

    def status(self) -> Status:
        """Return a snapshot; synchronous and free of side effects."""
        return self._seat().status()
