"""One streamed call as its reader sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import trio

from actors import Reply
from arawn.messages import Completed, CompletionResponse, StreamEvent

__all__ = ["EventStream", "open_stream"]


class EventStream:
    """An async iterator over the events of one call; the last one is `Completed`.

    Iterating raises what the call raised, after the deltas that came before. A slow reader slows the provider down.
    """

    def __init__(self, events: trio.MemoryReceiveChannel[StreamEvent], reply: Reply[CompletionResponse]) -> None:
        self._events = events
        self._reply = reply
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._over:
            raise StopAsyncIteration
        try:
            return await self._events.receive()
        except trio.EndOfChannel:
            response = await self._reply.wait()  # waiting again after a cancellation is safe: the reply is there
            self._over = True
            return Completed(response)


@asynccontextmanager
async def open_stream(
    submit: Callable[[trio.MemorySendChannel[StreamEvent]], Awaitable[Reply[CompletionResponse]]],
) -> AsyncIterator[EventStream]:
    """Submit a streamed call and yield its events; leaving the block early cancels the call.

    Checkpoint: only as `submit` has them, and at each event.
    If cancelled: the call is cancelled, and recorded as such.
    """
    send, receive = trio.open_memory_channel[StreamEvent](0)
    with send, receive:
        reply = await submit(send)
        reply.when_done(send.close)
        try:
            yield EventStream(receive, reply)
        finally:
            reply.abandon()
