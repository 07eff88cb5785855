"""A bounded mailbox: one trio memory channel for the life of the seat, behind a gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from actors._envelope import Envelope, about
from actors.errors import MailboxFull, NotStarted, Stopped

M = TypeVar("M")

Refusal = Callable[[object], NotStarted]


class Mailbox(Generic[M]):
    """Envelopes in the order they were sent, at most `bound` of them, kept across restarts.

    It owns both ends of its channel: mail outlives the task that reads it, and closing fails what is left one by one.
    """

    def __init__(self, owner: str, bound: int) -> None:
        self.owner = owner
        self.bound = bound
        self._send, self._receive = trio.open_memory_channel[Envelope[M]](bound)
        self._refusal: Refusal | None = None

    def put_nowait(self, envelope: Envelope[M]) -> None:
        """Queue the envelope.

        Raises:
            MailboxFull: At its bound.
            NotStarted: The gate is shut; the subclass says why.
        """
        if self._refusal is not None:
            raise self._refusal(envelope.message)
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            full = f"mailbox is full ({self.bound} waiting)"
            raise MailboxFull(about(self.owner, envelope.message, full)) from None

    async def put(self, envelope: Envelope[M]) -> None:
        """Queue the envelope, waiting for room.

        Checkpoint: only when the mailbox is full.
        If cancelled: it was not queued.

        Raises:
            NotStarted: The gate is shut, before or while it waited for room.
        """
        try:
            self.put_nowait(envelope)
        except MailboxFull:
            try:
                await self._send.send(envelope)
            except trio.ClosedResourceError:
                raise self._refused(envelope.message) from None

    async def take(self) -> Envelope[M]:
        """Return the next envelope.

        Checkpoint: only when the mailbox is empty.
        If cancelled: nothing was taken.

        Raises:
            trio.EndOfChannel: The gate is shut for good and the mailbox is empty.
        """
        try:
            return self._receive.receive_nowait()
        except trio.WouldBlock:
            return await self._receive.receive()

    def take_nowait(self) -> Envelope[M] | None:
        """Return the next envelope, or None when there is none."""
        try:
            return self._receive.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None

    @property
    def waiting(self) -> int:
        """Envelopes queued, those of senders still waiting for room included."""
        statistics = self._send.statistics()
        return statistics.current_buffer_used + statistics.tasks_waiting_send

    @property
    def queued(self) -> int:
        """Envelopes queued; never above `bound`."""
        return self._send.statistics().current_buffer_used

    @property
    def peak(self) -> int:
        """The most that were ever queued."""
        return self._send.statistics().peak_buffer_used

    def refuse(self, refusal: Refusal) -> None:
        """Refuse new mail with what `refusal` makes of it; queued mail stays."""
        self._refusal = refusal

    def reopen(self) -> None:
        """Accept mail again after `refuse`."""
        self._refusal = None

    def finish(self, refusal: Refusal) -> None:
        """Refuse new mail for good; readers get what is queued, then the end."""
        self._refusal = refusal
        self._send.close()

    def close(self) -> None:
        """Close both ends; needs `finish` first and `take_nowait` until empty."""
        self._receive.close()

    def _refused(self, message: object) -> NotStarted:
        if self._refusal is None:  # pragma: no cover  # `finish` sets it before it closes
            return Stopped(f"actor `{self.owner}` has stopped")
        return self._refusal(message)
