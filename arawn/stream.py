"""One streamed call as its reader sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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
        self, events: trio.MemoryReceiveChannel[StreamEvent | Begun], reply: Reply[CompletionResponse]
    ) -> None:
        self._events = events
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
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._next()
        except trio.EndOfChannel:
            try:
                response = await self._reply.wait()  # waiting again after a cancellation is safe: the reply is there
            except Exception:
                self._over = True
                raise
            self._over = True
            return Completed(response)

    async def _next(self) -> StreamEvent:
        event = await self._events.receive()
        while isinstance(event, Begun):
            self.begun = event
            event = await self._events.receive()
        return event


@asynccontextmanager
async def open_stream(
    submit: Callable[[trio.MemorySendChannel[StreamEvent | Begun]], Awaitable[Reply[CompletionResponse]]],
) -> AsyncIterator[EventStream]:
    """Submit a streamed call and yield its events; leaving the block early cancels the call.

    Checkpoint: only as `submit` has them, and at each event.
    If cancelled: the call is cancelled, and recorded as such.
    """
    send, receive = trio.open_memory_channel[StreamEvent | Begun](0)
    with send, receive:
        reply = await submit(send)
        reply.when_done(send.close)
        try:
            yield EventStream(receive, reply)
        finally:
            reply.abandon()
