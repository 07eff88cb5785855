"""One streamed call as its reader sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import trio

from actors import Reply
from arawn.messages import Begun, Completed, CompletionResponse, StreamEvent

__all__ = ["Begun", "EventStream", "open_stream"]


class EventStream:
    """An async iterator over the events of one call; the last one is `Completed`.

    Iterating raises what the call raised, once, after the deltas that came before; then it is over. A slow reader slows
    the provider down.

    Attributes:
        begun: What is known of the answer since its first delta; None before.
    """

    def __init__(
        self,
        events: trio.MemoryReceiveChannel[StreamEvent | Begun | None],
        nudges: trio.MemorySendChannel[StreamEvent | Begun | None],
        reply: Reply[CompletionResponse],
    ) -> None:
        self._events = events
        self._nudges = nudges  # the other end of `events`
        self._reply = reply
        self._over = False
        self.begun: Begun | None = None

    @property
    def interaction_id(self) -> str | None:
        """The id of the record that will hold the answer, from the first delta on; None while the log is off."""
        return None if self.begun is None else self.begun.interaction_id

    @property
    def model(self) -> str | None:
        """The model that answers, from the first delta on: as the provider has named it by then, else as it was asked.

        A provider that names it only later is heard in the response of `Completed`.
        """
        return None if self.begun is None else self.begun.model

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        while (event := await self.next_or_nudge()) is None:
            pass
        return event

    def nudge(self) -> None:
        """Have whoever waits in `next_or_nudge` get None; if nobody waits there just now, nothing happens."""
        with suppress(trio.WouldBlock, trio.ClosedResourceError):
            self._nudges.send_nowait(None)

    async def next_or_nudge(self) -> StreamEvent | None:
        """Return the next event, or None for a nudge; all else as for the next step of an iteration.

        To be nudged costs a reader nothing, where a scope with a deadline around each wait costs as much as the event.

        Raises:
            StopAsyncIteration: It is over.

        Checkpoint: always. If cancelled: nothing is lost; call again.
        """
        if self._over:
            raise StopAsyncIteration
        try:
            while isinstance(event := await self._events.receive(), Begun):
                self.begun = event
        except trio.EndOfChannel:
            try:
                response = await self._reply.wait()  # waiting again after a cancellation is safe: the reply is there
            except Exception:
                self._over = True
                raise
            self._over = True
            return Completed(response)
        return event


@asynccontextmanager
async def open_stream(
    submit: Callable[[trio.MemorySendChannel[StreamEvent | Begun | None]], Awaitable[Reply[CompletionResponse]]],
) -> AsyncIterator[EventStream]:
    """Submit a streamed call and yield its events; leaving the block early cancels the call.

    Checkpoint: only as `submit` has them, and at each event.
    If cancelled: the call is cancelled, and recorded as such.
    """
    send, receive = trio.open_memory_channel[StreamEvent | Begun | None](0)
    with send, receive:
        reply = await submit(send)
        reply.when_done(send.close)
        try:
            yield EventStream(receive, send, reply)
        finally:
            reply.abandon()
